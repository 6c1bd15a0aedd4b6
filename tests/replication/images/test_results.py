import json
import math
import statistics

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.replication.images.config import parse_image_row
from vbpi_mix.replication.images.results import ImageGroup, is_images_folder, load_image_groups, paired_difference


def group(images, word="s2a:1:4", side=7, data="mnist"):
    """A group from {seed: log-likelihood of each image}."""
    records = {
        seed: {
            "config": {"side": side},
            "result": {
                "likelihood": {
                    "pooled": statistics.mean(values),
                    "pooled_se": statistics.stdev(values) / math.sqrt(len(values)),
                    "pooled_by_image": values,
                },
                "frechet_pca": float(seed),
            },
        }
        for seed, values in images.items()
    }
    return ImageGroup(data=data, row=parse_image_row(word), records=records)


def test_the_error_of_a_likelihood_is_that_of_images_and_seeds():
    one = group({1: [-10.0, -14.0, -12.0]})
    assert one.nll() == 12.0
    assert one.error() == pytest.approx(2 / math.sqrt(3))
    two = group({1: [-10.0, -14.0, -12.0], 2: [-14.0, -18.0, -16.0]})
    assert two.nll() == 14.0
    assert two.error() == pytest.approx(math.hypot(2 / math.sqrt(3), math.sqrt(8) / math.sqrt(2)))
    assert two.values("frechet_pca") == [1.0, 2.0]
    assert two.has("likelihood")
    assert not two.has("batch_statistics")


@pytest.mark.parametrize(("data", "dimensions"), [("mnist", 49), ("cifar10", 147)])
def test_bits_per_dimension(data, dimensions):
    assert group({1: [-1.0, -2.0]}, data=data).bits(dimensions * math.log(2)) == pytest.approx(1.0)


def test_differences_are_taken_image_by_image():
    generator = np.random.default_rng(1)
    hard = generator.normal(-100, 20, 50)
    a = group({1: hard.tolist(), 2: hard.tolist(), 3: [0.0] * 50})
    b = group({1: (hard + 1 + generator.normal(0, 0.1, 50)).tolist(), 2: (hard + 2).tolist()})
    difference, error, n_seeds = paired_difference(a, b)
    by_image = [np.array(b.records[s]["result"]["likelihood"]["pooled_by_image"]) - hard for s in (1, 2)]
    assert n_seeds == 2
    assert difference == pytest.approx(np.mean(by_image))
    of_images = np.mean(by_image, axis=0).std(ddof=1) / math.sqrt(50)
    of_seeds = np.std(np.mean(by_image, axis=1), ddof=1) / math.sqrt(2)
    assert error == pytest.approx(math.hypot(of_images, of_seeds))
    assert error < 1 < a.error()
    assert math.isnan(paired_difference(a, group({7: [0.0, 1.0]}))[0])


def record(word, seed, **config):
    row = parse_image_row(word)
    return {
        "config": {"benchmark": "images", "data": "mnist", "seed": seed, "side": 7, **vars(row), **config},
        "result": {"likelihood": {}},
        "provenance": {},
    }


def write(folder, *records):
    (folder / "models").mkdir(parents=True)
    for i, content in enumerate(records):
        (folder / "models" / f"{i}.json").write_text(json.dumps(content))
    return folder


def test_records_of_a_row_are_one_group_in_the_order_of_rows(tmp_path):
    words = ["s2s:2:4:published", "s2a:1:4", "a2a:1:1", "s2a:1:4"]
    folder = write(tmp_path / "x", *(record(word, seed) for seed, word in enumerate(words)))
    assert is_images_folder(folder)
    groups = load_image_groups(folder)
    assert [g.row.word for g in groups] == ["a2a:1:1", "s2a:1:4", "s2s:2:4:published"]
    assert sorted(groups[1].records) == [1, 3]


def test_folders_that_hold_something_else(tmp_path):
    mixed = write(tmp_path / "mixed", record("a2a:1:1", 1), record("a2a:1:1", 2, side=14))
    with pytest.raises(InputError, match="other settings"):
        load_image_groups(mixed)
    with pytest.raises(InputError, match="no records"):
        load_image_groups(write(tmp_path / "empty"))
    assert not is_images_folder(tmp_path / "empty")
    assert not is_images_folder(write(tmp_path / "toy", {"config": {"benchmark": "toy"}}))
