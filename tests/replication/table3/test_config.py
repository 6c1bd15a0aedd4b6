import dataclasses

import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.replication.table3 import config as table3_config
from vbpi_mix.replication.table3.config import make_table3_config, parse_settings, settings_default


def test_everything_by_default():
    config = make_table3_config()
    assert len(config.jobs()) == 3 * 8 * 16
    first, last = config.jobs()[0], config.jobs()[-1]
    assert config.name(first) == "DS1_A1_S1_a2a_seed1_default_realnvp"
    assert config.name(last) == "DS8_A4_S3_s2s_seed3_default_realnvp"
    assert len({config.name(job) for job in config.jobs()}) == len(config.jobs())
    assert len({config.start_name(job) for job in config.jobs()}) == 3 * 8
    # a whole table of one seed comes before the next, and rows that share a start lie side by side
    assert [job.seed for job in config.jobs()] == sorted(job.seed for job in config.jobs())
    fit = config.fit_config(last)
    assert (fit.components, fit.sampled, fit.estimator, fit.seed, fit.flow) == (4, 3, "s2s", 3, "realnvp")


def test_a_model_is_described_without_paths():
    config = make_table3_config(data="DS5", rows="2,1,S2A", n_seeds=1)
    (job,) = config.jobs()
    found = config.of_model(job)
    assert {f.name for f in dataclasses.fields(FitConfig)} - {"alignment", "trees"} <= found.keys()
    assert "alignment" not in found
    assert found["trees"] is None
    assert len(found["alignment_sha256"]) == 64
    assert not any("/" in str(value) for value in found.values())


def test_a_setting_that_did_not_exist_counts_as_its_default():
    assert settings_default("tying") == "none"
    assert settings_default("iterations") is None
    assert settings_default("no such setting") is None


def test_candidates_and_references_of_a_folder(tmp_path):
    for name in ("DS1.ufboot", "DS1.wmb", "DS1.short", "DS2.ufboot", "DS2.golden"):
        (tmp_path / f"{name}.topologies.tsv.gz").write_text("")
    one, two = make_table3_config(data="DS1,DS2", trees=tmp_path, references=tmp_path).data
    assert (one.trees, one.reference_kind) == (tmp_path / "DS1.ufboot.topologies.tsv.gz", "short")
    assert two.reference == tmp_path / "DS2.golden.topologies.tsv.gz"
    assert make_table3_config(data="DS3", references=tmp_path).data[0].reference is None
    with pytest.raises(InputError, match=r"has no DS3\.ufboot\.topologies\.tsv\.gz"):
        make_table3_config(data="DS3", trees=tmp_path)


def test_settings_have_the_types_of_their_fields():
    assert parse_settings(["particles=5", "rate_base=1e-4", "flow_per_component=TRUE", "features = split"]) == {
        "particles": 5, "rate_base": 1e-4, "flow_per_component": True, "features": "split",
    }  # fmt: skip
    config = make_table3_config(data="DS1", rows="A2A", n_seeds=1, settings=["particles=5"], label="k5")
    assert config.name(config.jobs()[0]) == "DS1_A1_S1_a2a_seed1_default_realnvp_k5"
    assert config.fit_config(config.jobs()[0]).particles == 5
    assert config.start_name(config.jobs()[0]) == "DS1_seed1"


def test_a_start_of_other_settings_has_another_name():
    settings = {"data": "DS1", "rows": "1,1,A2A", "n_seeds": 1}
    other = make_table3_config(**settings, settings=["bootstrap_replicates=100"], label="more")
    assert other.start_name(other.jobs()[0]) == "DS1_seed1_more"
    paper = make_table3_config(**settings, recipe="paper")
    assert paper.start_name(paper.jobs()[0]) == "DS1_seed1_candidates"


def test_optional_settings_and_choices(monkeypatch):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Wider(FitConfig):
        limit: float | None = None

    monkeypatch.setattr(table3_config, "FitConfig", Wider)
    assert parse_settings(["limit=none"]) == {"limit": None}
    assert parse_settings(["limit=2", "bootstrap=iqtree"]) == {"limit": 2.0, "bootstrap": "iqtree"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("particles", "is not NAME=VALUE"),
        ("=5", "is not NAME=VALUE"),
        ("particels=5", "'particels'; .*annealing_iterations, "),
        ("components=2", "decided by --rows"),
        ("iterations=5", "decided by --iterations"),
        ("particles=many", "not of type int"),
        ("flow_per_component=1", "true or false"),
        ("bootstrap=raxml", "choose one of veryfasttree, iqtree"),
    ],
)
def test_wrong_settings(word, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_settings([word])


def test_mistakes_are_found_before_anything_is_computed(tmp_path):
    alignment, trees = write_example(tmp_path)
    (tmp_path / "other").mkdir()
    again = tmp_path / "other" / "example.nex"
    again.write_text("")
    for given, error, expected in (
        ({"data": "DS9"}, InputError, "did you mean"),
        ({"data": "DS1,,DS2"}, ConfigError, "a name is empty"),
        ({"data": "DS1,DS1"}, ConfigError, "data set DS1 is given twice"),
        ({"data": f"{alignment},{again}"}, ConfigError, "data set example is given twice"),
        ({"data": str(tmp_path)}, InputError, "is a folder"),
        ({"data": "DS1", "n_seeds": 0}, ConfigError, "at least 1"),
        ({"data": "DS1", "first_seed": -1}, ConfigError, "first seed must not be negative"),
        ({"data": "DS1", "n_repeats": 1}, ConfigError, "at least 2"),
        ({"data": "DS1", "flow": "spline"}, ConfigError, "unknown flow"),
        ({"data": "DS1", "recipe": "best"}, ConfigError, "unknown recipe"),
        ({"data": "DS1", "iterations": 0}, ConfigError, "n_iterations"),
        ({"data": "DS1", "label": "a b"}, ConfigError, "label 'a b'"),
        ({"data": "DS1", "trees": tmp_path / "no"}, InputError, "no such file or folder"),
        ({"data": "DS1,DS2", "trees": trees}, ConfigError, "one file for 2 data sets"),
        ({"data": "DS1", "references": trees}, InputError, "no such folder"),
        ({"data": "DS1", "settings": ["particles=1", "particles=2"]}, ConfigError, "given twice"),
        ({"data": "DS1", "settings": ["model=GTR{1}"]}, ConfigError, "GTR"),
    ):
        with pytest.raises(error, match=expected):
            make_table3_config(**given)


def test_seeds_count_from_the_first():
    for text in ("burn_in=25%", "burn_in=0.25"):
        assert parse_settings([text]) == {"burn_in": 0.25}
    with pytest.raises(ConfigError, match="not a share"):
        parse_settings(["burn_in=25"])
    assert make_table3_config(data="DS1", rows="A2A").seeds == (1, 2, 3)
    assert make_table3_config(data="DS1", rows="A2A", n_seeds=2, first_seed=5).seeds == (5, 6)
