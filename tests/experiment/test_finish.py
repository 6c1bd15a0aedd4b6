"""A fit that starts from chains and finishes by annealing: its posterior, its files, and what reads them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from vbpi_mix.analysis import export_run, summarise
from vbpi_mix.analysis.diagnose import diagnose
from vbpi_mix.anneal.excursions import Excursions
from vbpi_mix.anneal.result import FROM_CANDIDATES, FROM_EXCURSIONS, FROM_MIXTURE, load_annealed
from vbpi_mix.anneal.smc import AnnealSettings
from vbpi_mix.errors import CheckpointError, ConfigError
from vbpi_mix.experiment import Run, finish, fit_folder, groups, make_config
from vbpi_mix.experiment.finish import anneal_run, good_weights
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.io.tree_lengths import read_trees_with_lengths
from vbpi_mix.model import PhyloModel


def settings(alignment, **given):
    return make_config(
        alignment=str(alignment), model="HKY", components=2, iterations=200, stop="iterations", bootstrap_replicates=5,
        **given,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("data"))[0]


@pytest.fixture(scope="module")
def annealed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "annealed"
    run, _ = fit_folder(settings(data, start="sample", finish="anneal"), folder)
    summarise(run)
    return run


def test_the_marginal_likelihood_is_that_of_importance_weights(annealed):
    weights = replace(annealed, annealed=None).evaluate(n_repeats=20)
    assert good_weights(weights)  # six taxa: the mixture is close
    found = annealed.weighted_sample().evaluation
    error = np.hypot(found.marginal_likelihood.standard_error, weights.log_ml_pooled.standard_error)
    assert abs(found.marginal_likelihood.value - weights.log_ml_pooled.value) < 6 * error + 0.05
    assert found.annealing is not None
    assert found.annealing.both_sides


def test_split_frequencies_are_those_of_importance_weights(annealed):
    ours, theirs = annealed.weighted_sample().splits, replace(annealed, annealed=None).weighted_sample().splits
    frequency = {c.tobytes(): f for c, f in zip(theirs.clades, theirs.frequency, strict=True)}
    for clade, value in zip(ours.clades, ours.frequency, strict=True):
        assert abs(value - frequency.get(clade.tobytes(), 0.0)) < 0.08


def test_the_folder_says_how_the_run_finished(annealed):
    evaluation = json.loads(annealed.folder.evaluation.read_text())
    assert evaluation["finish"] == "anneal"
    assert evaluation["annealing"]["n_groups"] == 4
    assert evaluation["annealing"]["convergence"]["asdsf"] < 0.05
    report = annealed.folder.report.read_text()
    assert "ASDSF between two sides" in report
    assert "Pareto k:" not in report
    assert json.loads(annealed.folder.growth.read_text())["n_rounds"] >= 200


def test_a_loaded_run_has_the_same_trees(annealed):
    loaded = Run.load(annealed.folder.path)
    assert loaded.annealed is not None
    np.testing.assert_array_equal(loaded.annealed.log_joint, annealed.annealed.log_joint)
    assert loaded.annealed.convergence == annealed.annealed.convergence
    trees = loaded.sample(50)
    assert trees.n_trees == 50
    assert not trees.log_weights.any()
    assert trees.parameter_names[0] == "kappa"


def test_diagnostics_are_those_of_the_annealed_trees(annealed):
    keys = {d.key for d in diagnose(annealed, annealed.weighted_sample(), name="x").diagnostics}
    assert {"annealed_log_ml", "sides_asdsf", "r_hat", "effective_size"} <= keys
    assert "pareto_k" not in keys


def test_export_writes_the_annealed_trees(annealed, tmp_path):
    export = export_run(annealed, tmp_path / "out", n_trees=300)
    assert not export.weighted
    found = read_trees_with_lengths([tmp_path / "out" / "posterior.trees"], annealed.inputs.taxa)
    assert found.weights.sum() == pytest.approx(1.0)
    assert "annealed from the mixture" in (tmp_path / "out" / "posterior.trees").read_text()
    with pytest.raises(ConfigError, match="--weighted"):
        export_run(annealed, tmp_path / "weighted", weighted=True)


def test_resuming_a_finished_run_keeps_its_trees(annealed):
    before = annealed.folder.annealed.read_bytes()
    run, _ = fit_folder(annealed.config, annealed.folder.path, resume=True)
    assert run.annealed is not None
    assert annealed.folder.annealed.read_bytes() == before


def test_equal_seeds_give_equal_trees(annealed, data, tmp_path):
    again, _ = fit_folder(settings(data, start="sample", finish="anneal"), tmp_path / "again")
    np.testing.assert_array_equal(again.annealed.particles.log_lengths, annealed.annealed.particles.log_lengths)
    assert again.annealed.group_log_ml == annealed.annealed.group_log_ml


def test_a_listed_start_can_be_annealed_from_the_mixture_alone(data, tmp_path):
    run, _ = fit_folder(settings(data, start="list", finish="importance"), tmp_path / "listed")
    assert run.annealed is None
    found = anneal_run(run, Silent(), rounds=20)
    assert not found.annealed.both_sides
    weights = run.evaluate(n_repeats=10).log_ml_pooled
    value, error = found.annealed.log_ml
    assert abs(value - weights.value) < 6 * np.hypot(error, weights.standard_error) + 0.05
    with pytest.raises(ConfigError, match="two groups"):
        anneal_run(run, Silent(), n_groups=1)


def test_a_damaged_file_of_trees_is_named(annealed, tmp_path):
    broken = tmp_path / "annealed.npz"
    broken.write_bytes(annealed.folder.annealed.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"annealed\.npz"):
        load_annealed(broken)


def test_good_weights_finish_a_fit_without_annealing(data, tmp_path):
    run, _ = fit_folder(settings(data, start="list", finish="auto"), tmp_path / "list")
    assert run.annealed is None


def test_a_start_from_a_sample_finishes_by_annealing(data, tmp_path):
    run, _ = fit_folder(settings(data, start="sample", finish="auto"), tmp_path / "sample")
    assert run.annealed is not None
    assert run.annealed.both_sides


def test_modes_that_chains_lack_are_weighed_by_annealing(data, tmp_path, monkeypatch):
    from vbpi_mix.experiment import chains

    def found(_walker, sample, **_):
        last = np.arange(len(sample.chains) - 20, len(sample.chains))
        particles, log_joint = sample.particles.take(last), sample.log_joint[last]
        return Excursions(n_tried=8, n_elsewhere=2, particles=particles, log_joint=log_joint)

    monkeypatch.setattr(chains, "make_excursions", found)
    reporter = Listening()
    run, _ = fit_folder(settings(data, start="sample", finish="auto"), tmp_path / "modes", reporter=reporter)
    assert any("2 of 8" in text and "mode" in text for text in reporter.messages)
    assert set(run.annealed.sides) == {FROM_MIXTURE}
    assert json.loads(run.folder.growth.read_text())["converged"] == 0
    kept = load_annealed(run.folder.chains)
    assert 0.05 < np.mean(kept.sides == FROM_EXCURSIONS) < 0.15
    late = anneal_run(run, reporter, until=0.0).annealed  # trees of unknown shares are in no posterior
    assert len(late.chains) == np.count_nonzero(kept.sides == FROM_CANDIDATES)
    assert set(late.sides) == {FROM_CANDIDATES}


class Listening(Silent):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


class StoppedError(Exception):
    pass


class Interrupting(Silent):
    """Ends annealing at the n-th report of one stage."""

    def __init__(self, stage, n):
        self.stage, self.left = stage, n
        self.messages = []

    def message(self, text):
        self.messages.append(text)

    warning = message

    def progress(self, *report):
        self.left -= report[0] == self.stage
        if self.left < 0:
            raise StoppedError


def shorten(chains, n_trees):
    """Leave so many trees of each chain in a file."""
    past = load_annealed(chains)
    kept = np.arange(len(past.chains) - n_trees * (past.chains.max() + 1), len(past.chains))
    past.take(kept).save(chains)


def test_chains_that_were_short_go_on_beside_the_particles(annealed, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(annealed.folder.path, folder)
    shorten(folder / "chains.npz", 10)
    run = replace(Run.load(folder), annealed=None)
    found = anneal_run(run, Silent(), settings=AnnealSettings(n_particles=16), rounds=40).annealed
    n_chains, n_from_particles, n_further = 8, 16, 30 - 3  # after burn-in
    of_candidates = found.sides == FROM_CANDIDATES
    np.testing.assert_array_equal(np.bincount(found.chains[of_candidates]), np.full(n_chains, 10 + n_further))
    assert np.count_nonzero(found.sides == FROM_MIXTURE) == n_from_particles * (40 - 4)
    past = load_annealed(folder / "chains.npz")
    np.testing.assert_array_equal(found.particles.log_lengths[: len(past.chains)], past.particles.log_lengths)


@pytest.mark.parametrize("sides", ["mixture", "both", "both go on"])
def test_annealing_that_is_interrupted_goes_on_bit_for_bit(annealed, tmp_path, sides):
    """While temperatures are chosen, in a later group, and between rounds; nothing is left in the folder."""
    folder = tmp_path / "run"
    shutil.copytree(annealed.folder.path, folder)
    (folder / "annealed.npz").unlink()
    options = {"settings": AnnealSettings(n_particles=16), "n_groups": 3}
    stages = [("rounds at the posterior", 0), ("rounds at the posterior", 2)]
    if sides == "mixture":
        (folder / "chains.npz").unlink()
        options["rounds"] = 40
    elif sides == "both go on":
        shorten(folder / "chains.npz", 10)
        options["rounds"] = 40
        stages += [("further rounds of the chains from candidate topologies", n) for n in (0, 1)]
    run = replace(Run.load(folder), annealed=None)
    whole = anneal_run(run, Silent(), **options).annealed
    begun = []
    for stage, n in (
        ("annealing", 2),
        ("annealing", len(whole.betas) + 1),
        *stages,
    ):
        reporter = Interrupting(stage, n)
        with pytest.raises(StoppedError):
            anneal_run(run, reporter, **options)
        begun += [text for text in reporter.messages if "goes on after" in text]
    states = ("annealing.results", "annealing_rounds.npz", "candidate_rounds.npz")
    assert [(folder / name).exists() for name in states] == [True, True, sides == "both go on"]
    reporter = Interrupting("annealing", 0)  # no group is annealed again
    parts = anneal_run(run, reporter, **options).annealed
    assert begun
    assert any("goes on after 4 of 4 groups" in text for text in reporter.messages)
    assert parts.group_log_ml == whole.group_log_ml
    for field in ("log_lengths", "coordinates", "log_likelihood"):
        np.testing.assert_array_equal(getattr(parts.particles, field), getattr(whole.particles, field))
    np.testing.assert_array_equal(parts.particles.topologies.children, whole.particles.topologies.children)
    assert parts.convergence == whole.convergence
    assert not {"annealing.results", "annealing_rounds.npz", "candidate_rounds.npz"} & {
        path.name for path in folder.iterdir()
    }


def test_particles_go_back_where_one_way_knows_the_marginal_likelihood_too_roughly(annealed, tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_ONE_WAY", 0.0)
    folder = tmp_path / "run"
    shutil.copytree(annealed.folder.path, folder)
    run = replace(Run.load(folder), annealed=None)
    options = {"settings": AnnealSettings(n_particles=16), "n_groups": 3, "rounds": 10}
    reporter = Interrupting("none", 0)
    whole = anneal_run(run, reporter, **options).annealed
    assert whole.bridged
    assert len(whole.group_log_ml) == 3
    value, error = whole.log_ml
    (other, other_error) = annealed.annealed.log_ml
    assert abs(value - other) < 6 * np.hypot(error, other_error) + 0.05
    assert any("by 3 groups in both directions" in text for text in reporter.messages)
    found = Run.load(folder)
    assert "and as many that went back" in str(diagnose(found, found.weighted_sample(), name="run").diagnostics)
    with pytest.raises(StoppedError):
        anneal_run(run, Interrupting("back to the reference", len(whole.betas) + 1), **options)
    reporter = Interrupting("annealing", 0)  # no group is annealed again
    parts = anneal_run(run, reporter, **options).annealed
    assert any("goes on after 4 of 4 groups" in text for text in reporter.messages)
    assert parts.group_log_ml == whole.group_log_ml


def test_no_time_for_the_way_back(annealed, tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_ONE_WAY", 0.0)
    folder = tmp_path / "run"
    shutil.copytree(annealed.folder.path, folder)
    reporter = Interrupting("none", 0)
    monkeypatch.setattr(groups, "heat", late)
    found = anneal_run(
        replace(Run.load(folder), annealed=None), reporter, settings=AnnealSettings(n_particles=8), n_groups=2, rounds=5
    ).annealed
    assert not found.bridged
    assert any("the way to the posterior alone" in text for text in reporter.messages)


def test_groups_are_annealed_until_the_error_is_as_small_as_was_asked_for(annealed, tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_MOST", 14)
    folder = tmp_path / "run"
    shutil.copytree(annealed.folder.path, folder)
    run = replace(Run.load(folder), annealed=None)
    options = {"settings": AnnealSettings(n_particles=16), "rounds": 10}
    small = anneal_run(run, Silent(), n_groups=2, log_ml_error=1e-4, **options).annealed
    assert len(small.group_log_ml) == 14
    whole = anneal_run(run, Silent(), n_groups=14, log_ml_error=1e-4, **options).annealed
    assert np.isclose(small.log_ml[0], whole.log_ml[0], atol=5 * np.hypot(small.log_ml[1], whole.log_ml[1]))
    at_once = anneal_run(run, Silent(), n_groups=2, log_ml_error=1e9, **options).annealed
    assert len(at_once.group_log_ml) == groups._FEWEST_FOR_ERROR
    assert at_once.bridged
    with pytest.raises(ConfigError, match="must be positive, not 0"):
        anneal_run(run, Silent(), log_ml_error=0)


def test_number_of_groups_for_an_error():
    spread = [0.0, 1.0] * 10  # variance 5 / 19, at most 5 / 13.716 by the quantile of chi-squared
    assert groups._groups_for(0.1, spread) == 37
    assert groups._groups_for(0.5, spread) == 20
    assert groups._groups_for(1e-3, spread) == groups._MOST


def late(*_, **__):
    raise groups._OutOfTimeError


def test_groups_of_other_settings_are_not_used(annealed, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(annealed.folder.path, folder)
    run = replace(Run.load(folder), annealed=None)
    with pytest.raises(StoppedError):
        anneal_run(run, Interrupting("rounds at the posterior", 0), settings=AnnealSettings(n_particles=16), n_groups=2)
    reporter = Interrupting("none", 0)
    # fewer particles in a group than chains that go on from each
    found = anneal_run(run, reporter, settings=AnnealSettings(n_particles=6), n_groups=2, rounds=20)
    assert found.annealed.n_particles == 6
    assert not any("goes on after" in text for text in reporter.messages)


def test_particles_that_move_all_at_once_give_the_same_marginal_likelihood(annealed, tmp_path, monkeypatch):
    """The moves of a device, with the CPU and its compiled kernels in its place."""
    path = tmp_path / "on_a_device"
    shutil.copytree(annealed.folder.path, path)
    asked = []

    def device(word, model, n_particles, reporter):
        del model, reporter
        asked.append((word, n_particles))
        return torch.device("cpu")

    monkeypatch.setattr(finish, "annealing_device", device)
    monkeypatch.setattr(PhyloModel, "placed", lambda self, *_: self)
    run = Run.load(path)
    settings = AnnealSettings(n_particles=60)
    found = anneal_run(run, Silent(), settings=settings, rounds=10, device="cuda")
    assert asked == [("cuda", 60)]
    assert found.annealed.group_log_ml != annealed.annealed.group_log_ml
    (value, error), (other, other_error) = found.annealed.log_ml, annealed.annealed.log_ml
    assert abs(value - other) < 6 * np.hypot(error, other_error) + 0.05


def test_ways_back_begin_at_parts_of_the_sample_that_share_no_chain(annealed):
    found = annealed.annealed
    own = found.log_joint[found.sides == FROM_MIXTURE]
    parts = groups._in_parts(found, 3)
    assert len(parts) == 3
    assert sum(len(part) for part in parts) == len(own)
    chains_of = [
        {
            int(c)
            for c, t in zip(found.chains, found.particles.log_lengths, strict=True)
            if (part.log_lengths == t).all(1).any()
        }
        for part in parts
    ]
    assert not any(a & b for i, a in enumerate(chains_of) for b in chains_of[:i])
    assert len(groups._in_parts(found, 10_000)) == len(np.unique(found.chains[found.sides == FROM_MIXTURE]))
