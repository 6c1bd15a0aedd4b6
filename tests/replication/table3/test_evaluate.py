"""Every number of a record against the one that other code gives for the same draws."""

import json

import numpy as np
import pytest

from tests.experiment.simulated import fitted_example
from vbpi_mix.analysis.posteriors import log_q_topologies
from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.evaluate.distances.splits import split_agreement, split_table
from vbpi_mix.evaluate.distances.topologies import density_distance, sample_distance
from vbpi_mix.evaluate.equal_total import log_ml_equal_total
from vbpi_mix.experiment import Silent
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.replication.table3.config import Table3Data
from vbpi_mix.replication.table3.evaluate import Reference, evaluate_model, read_reference, training_curve

REPEATS, SAMPLES = 5, 200


@pytest.fixture(scope="module")
def run():
    return fitted_example()


@pytest.fixture(scope="module")
def sample(run):
    topologies = all_topologies(6)
    return collect(run.inputs.taxa, topologies, np.random.default_rng(1).exponential(size=topologies.n_trees) ** 3)


@pytest.fixture(scope="module")
def measured(run, sample):
    reference = Reference(kind="golden", name="six.golden", sample=sample)
    return evaluate_model(run, n_repeats=REPEATS, n_samples=SAMPLES, reference=reference, reporter=Silent())


@pytest.fixture(scope="module")
def drawn(run):
    return run.weighted_sample(n_particles=SAMPLES, n_repeats=REPEATS)


def test_estimates_are_those_of_evaluate(measured, drawn):
    expected = evaluate_log_weights(drawn.log_weights).to_dict()
    assert {name: measured["evaluation"][name] for name in expected} == expected
    equal = log_ml_equal_total(drawn.log_weights, n_total=SAMPLES)
    assert measured["evaluation"]["equal_total_log_ml_std"] == equal.deviation
    assert measured["evaluation"]["equal_total_log_ml_pooled"] == equal.pooled.value
    assert measured["evaluation"]["equal_total_n_samples"] == 200
    json.dumps(measured, allow_nan=False)


def test_topologies(run, sample, measured, drawn):
    of_q = density_distance(sample, log_q_topologies(run, sample.topologies))
    weighted = sample_distance(sample, collect(run.inputs.taxa, drawn.draws.topologies, drawn.draws.weights()))
    found = measured["topologies"]
    assert (found["kl"], found["tv"], found["unseen"]) == (of_q.kl, of_q.total_variation, of_q.unseen)
    assert found["tv_weighted"] == pytest.approx(weighted.total_variation, rel=1e-10)
    assert (found["reference"], found["kl_floor"]) == ("six.golden", 2.2e-16)


def test_splits(run, sample, measured, drawn):
    tables = {
        "weighted": split_table(run.inputs.taxa, drawn.draws.topologies, drawn.draws.weights()),
        "q": split_table(run.inputs.taxa, drawn.draws.topologies, np.ones(drawn.draws.n_trees)),
    }
    theirs = split_table(run.inputs.taxa, sample.topologies, sample.weights)
    for name, table in tables.items():
        p, q = (dict(zip(map(bytes, t.clades), t.frequency, strict=True)) for t in (theirs, table))
        pairs = [(p.get(key, 0.0), q.get(key, 0.0)) for key in p.keys() | q.keys()]
        above = [abs(a - b) for a, b in pairs if max(a, b) >= 0.1]
        found = measured["splits"][name]
        assert found["mean"] == pytest.approx(np.mean(above), rel=1e-9)
        assert found["worst"] == pytest.approx(max(abs(a - b) for a, b in pairs), rel=1e-9)
        assert found["n_compared"] == len(above)
        assert found["asdsf"] == pytest.approx(found["mean"] / 2**0.5, rel=1e-9)


def test_component_weights_count_in_every_number(run, sample, measured, drawn):
    reference = Reference(kind="golden", name="six.golden", sample=sample)
    given = {"n_repeats": REPEATS, "n_samples": SAMPLES, "reference": reference, "reporter": Silent()}
    equal = evaluate_model(run, component_weights=np.array([0.5, 0.5]), **given)
    estimates, expected = equal.pop("evaluation"), measured["evaluation"]
    assert estimates.keys() == expected.keys()
    for key, value in expected.items():  # sums by weights round otherwise than means
        assert estimates[key] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)
    assert equal == {key: value for key, value in measured.items() if key != "evaluation"}
    weights = np.array([0.9, 0.1])
    found = evaluate_model(run, component_weights=weights, **given)
    assert found["evaluation"]["log_ml_pooled"] == evaluate_log_weights(drawn.log_weights, weights).log_ml_pooled.value
    assert found["evaluation"]["equal_total_log_ml"] == log_ml_equal_total(drawn.log_weights, weights).per_repeat.value
    draws = drawn.draws
    theirs = split_table(run.inputs.taxa, sample.topologies, sample.weights)
    for name, each in (("q", np.ones(draws.n_trees)), ("weighted", draws.weights())):
        ours = split_table(run.inputs.taxa, draws.topologies, each * weights[draws.components])
        assert found["splits"][name]["asdsf"] == pytest.approx(split_agreement([theirs, ours]).asdsf, rel=1e-9)
    weighted = collect(run.inputs.taxa, draws.topologies, draws.weights() * weights[draws.components])
    assert found["topologies"]["tv_weighted"] == pytest.approx(sample_distance(sample, weighted).total_variation)


def test_what_a_reference_is_good_for(run, sample):
    short = Reference(kind="short", name="six.short", sample=sample)
    found = evaluate_model(run, n_repeats=2, n_samples=50, reference=short, reporter=Silent())
    assert found["topologies"] is None
    assert found["splits"]["kind"] == "short"
    found = evaluate_model(run, n_repeats=2, n_samples=50, reference=None, reporter=Silent())
    assert (found["topologies"], found["splits"]) == (None, None)


def test_reading_a_reference(run, tmp_path):
    trees = [t.newick(["t0", "t1", "'taxon 2'", "t3", "t4", "t5"]) for t in list(all_topologies(6))[:3]]
    path = tmp_path / "six.short.topologies.tsv"
    path.write_text(
        "rank\tmean_prob\tnewick\n"
        + "".join(f"{i}\t{p}\t{t}\n" for i, (p, t) in enumerate(zip((0.5, 0.3, 0.2), trees, strict=True)))
    )
    data = Table3Data(name="six", alignment=tmp_path, reference=path, reference_kind="short")
    reference = read_reference(data, run.inputs.taxa)
    assert (reference.kind, reference.name) == ("short", "six.short.topologies.tsv")
    assert reference.sample.probabilities() == pytest.approx([0.5, 0.3, 0.2])
    assert read_reference(Table3Data(name="six", alignment=tmp_path), run.inputs.taxa) is None


def test_a_curve_is_thinned_by_means():
    lines = [{"iteration": 100 * (i + 1), "seconds": 0.5 * i, "bound": float(i), "ess": 2.0} for i in range(1000)]
    curve = training_curve(lines)
    assert {len(values) for values in curve.values()} == {200}
    assert curve["iteration"][:2] == [500, 1000]
    assert curve["iteration"][-1] == 100_000
    assert curve["bound"][:2] == [2.0, 7.0]
    assert training_curve(lines[:3])["bound"] == [0.0, 1.0, 2.0]
    assert training_curve([]) == {"iteration": [], "seconds": [], "bound": [], "ess": []}
