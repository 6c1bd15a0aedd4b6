import json
import shutil

import pytest

from tests.replication.table3.examples import made_up_record, made_up_table, write_records
from vbpi_mix.errors import InputError
from vbpi_mix.replication.images.results import is_images_folder, load_image_groups
from vbpi_mix.replication.table3.results import load_results
from vbpi_mix.replication.table3.rows import parse_rows

(ROW,) = parse_rows(["4,1,S2A"])


def load(folder, records):
    return load_results(write_records(folder, records))


def test_seeds_of_a_cell_go_together(tmp_path):
    (variant,) = load(tmp_path, [made_up_record("DS1", ROW, s, nll=7108 + s, sd=0.3) for s in (2, 1)])
    cell = variant.cell("DS1", ROW)
    assert cell.seeds == (1, 2)
    assert cell.nll == 7109.5
    assert cell.spread("evaluation.log_ml") == pytest.approx(0.5**0.5)
    # the repeats of both seeds scatter within and between
    assert cell.nll_sd == pytest.approx((0.3**2 + 0.5) ** 0.5)
    assert cell.values("seconds.training") == cell.values("seconds.training")
    assert cell.mean("topologies.no.such") is None
    assert (variant.title, variant.name) == ("recipe default, flow realnvp", "default_realnvp")


def test_one_seed_has_no_spread(tmp_path):
    (variant,) = load(tmp_path, [made_up_record("DS1", ROW, nll=7108.0, sd=0.3, reference="wmb")])
    cell = variant.cell("DS1", ROW)
    assert (cell.nll_sd, cell.spread("evaluation.log_ml")) == (pytest.approx(0.3), None)
    assert cell.mean("topologies.kl") is None
    assert cell.mean("splits.q.mean") == 0.003


def test_a_number_that_one_seed_lacks_has_no_mean(tmp_path):
    records = [made_up_record("DS1", ROW, s, nll=7108.0) for s in (1, 2)]
    records[1]["result"]["evaluation"]["elbo"] = None
    (variant,) = load(tmp_path, records)
    assert variant.cell("DS1", ROW).mean("evaluation.elbo") is None
    assert variant.cell("DS1", ROW).spread("evaluation.elbo") is None


def test_ways_of_training_are_apart_and_the_default_comes_first(tmp_path):
    records = [
        made_up_record("DS10", ROW, nll=1.0, recipe="paper"),
        made_up_record("DS9", ROW, nll=1.0, label="cure"),
        made_up_record("DS10", ROW, nll=1.0),
        made_up_record("DS9", ROW, nll=1.0),
    ]
    found = load(tmp_path, records)
    assert [variant.name for variant in found] == ["default_realnvp", "default_realnvp_cure", "paper_realnvp"]
    assert found[0].data == ("DS9", "DS10")
    assert found[1].title == "recipe default, flow realnvp, cure"


def test_settings_that_differ_are_told(tmp_path):
    records = [made_up_record("DS1", ROW, nll=1.0), made_up_record("DS2", ROW, nll=1.0, iterations=100, tying="none")]
    (variant,) = load(tmp_path, records)
    assert variant.varying == {"iterations": (20_000, 100)}  # tying is at its default in both
    assert variant.settings["particles"] == 10


def test_records_alone_are_enough(tmp_path):
    write_records(tmp_path / "a", made_up_table(data=("DS1",), seeds=(1,)))
    shutil.move(tmp_path / "a" / "models", tmp_path / "b")
    assert len(load_results(tmp_path / "b")[0].cells) == 16


def test_other_folders_are_refused(tmp_path):
    for folder, content, expected in (
        ("absent", None, "no such folder"),
        ("empty", {}, "holds no records yet"),
        (
            "toy",
            {"a.json": {"config": {"energy": "x", "latents": "one"}, "result": {}, "provenance": {}}},
            "bench toy -o",
        ),
        ("other", {"a.json": {"config": {"seed": 1}, "result": {}, "provenance": {}}}, "not a record of"),
        ("old", {"a.json": {"data": "DS1", "model": "A1"}}, "not the record of a benchmark"),
        ("list", {"a.json": [1]}, "not the record of a benchmark"),
    ):
        if content is not None:
            (tmp_path / folder).mkdir()
            for name, value in content.items():
                (tmp_path / folder / name).write_text(json.dumps(value))
        with pytest.raises(InputError, match=expected):
            load_results(tmp_path / folder)


def test_the_same_model_twice(tmp_path):
    with pytest.raises(InputError, match="two records of DS1 s2a:1:4, seed 1"):
        load(tmp_path, [made_up_record("DS1", ROW, nll=1.0)] * 2)


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"{}", b"3", b'{"config": 3}', b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_records(tmp_path, content):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "x.json").write_bytes(content)
    for read in (load_results, load_image_groups):
        with pytest.raises(InputError, match=r"x\.json"):
            read(tmp_path)
    assert not is_images_folder(tmp_path)
