"""Tables of made-up records, whose every number is known."""

import csv
import io
import math

import pytest

from vbpi_mix.replication.images.config import parse_image_row
from vbpi_mix.replication.images.results import ImageGroup
from vbpi_mix.replication.images.tables import csv_text, markdown


def group(word, nll, *, seeds=(1, 2), batch=False, data="mnist"):
    """A group whose log-likelihoods of three images are -nll and one more or less."""
    row = parse_image_row(word)
    records = {}
    for seed in seeds:
        numbers = {
            "n_per_component": 12 // row.n_components,
            "pooled": -nll,
            "pooled_se": 1 / math.sqrt(3),
            "published": -nll - 0.5,
            "published_se": 0.25,
            "elbo": -nll - 2,
            "pooled_by_image": [-nll - 1, -nll, -nll + 1],
        }
        result = {
            "title": "small: made up", "threads": 1, "likelihood": numbers, "frechet_pca": 10.0 + seed,
            "n_parameters": 12_345, "seconds_per_epoch": 0.5,
        }  # fmt: skip
        if batch:
            result["batch_statistics"] = {**numbers, "published": -nll + 5}
        config = {**vars(row), "seed": seed, "side": 28, "epochs": 7, "n_test": 3, "n_draws": 12}
        made = {"commit": "abcdef012345", "processor": "a processor", "packages": {"torch": "2.13.0"}}
        records[seed] = {"config": config, "result": result, "provenance": made}
    return ImageGroup(data=data, row=row, records=records)


GROUPS = [group("a2a:1:1", 90.0), group("s2a:1:4", 88.0), group("s2a:2:4", 87.0), group("s2s:2:4", 89.5)]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_a_line_of_every_model():
    lines = list(csv.DictReader(io.StringIO(csv_text([*GROUPS, group("s2a:1:4:published", 80.0, batch=True)]))))
    assert len(lines) == 10
    assert [line["nll_pooled"] for line in lines[::2]] == ["90.0000", "88.0000", "87.0000", "89.5000", "80.0000"]
    last = lines[-1]
    assert (last["S"], last["A"], last["seed"], last["draws_per_component"]) == ("1", "4", "2", "3")
    assert (last["nll_published_form"], last["negative_elbo"], last["nll_batch_statistics"]) == (
        "80.5000", "82.0000", "75.0000",
    )  # fmt: skip
    assert lines[0]["nll_batch_statistics"] == ""
    assert float(last["bits_per_dimension"]) == pytest.approx(80 / (784 * math.log(2)), abs=1e-5)


def test_questions_compare_the_rows_that_they_are_about():
    lines = markdown(GROUPS).splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("| question |"))
    rows = [cells(line) for line in lines[begin + 2 :] if line]
    found = {tuple(label.removeprefix("MISVAE ") for label in row[2:4]): row[4].split(" ")[0] for row in rows}
    assert found == {
        ("S2A S=1 A=4", "A2A S=1 A=1"): "-2.00",
        ("S2A S=2 A=4", "S2A S=1 A=4"): "-1.00",
        ("S2S S=2 A=4", "S2A S=2 A=4"): "+2.50",
    }


def test_published_values_stand_beside_the_rows_that_have_them():
    rows = [cells(line) for line in markdown([group("s2a:1:200", 88.0), group("s2a:1:7", 87.0)]).splitlines()]
    known, unknown = (next(row for row in rows if row[0].endswith(f"A={n}") and "±" in row[3]) for n in (200, 7))
    assert known[-1] == "75.43"
    assert unknown[-1] == ""
    assert known[3] == "**88.00** ± 0.58"
    head = next(row for row in rows if row[0] == "model")
    assert len(known) == len(unknown) == len(head)
