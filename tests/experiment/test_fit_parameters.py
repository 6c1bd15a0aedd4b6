"""Fits with inferred parameters: against brute force, against fixed models, in a folder, from the command line."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from tests.oracles.quartet import quartet_alignment
from tests.oracles.quartet_k80 import kappa_posterior
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.estimators import all_components
from vbpi_mix.experiment import Run, Silent, fit_alignment, fit_folder, make_config
from vbpi_mix.experiment.config import load_config
from vbpi_mix.experiment.start import shared_start
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.train import load_checkpoint

Z = 4.7  # standard errors, as in `test_exact_posterior`
FAST = {"iterations": 60, "components": 2, "sampled": 1, "particles": 4, "seed": 5}


def config(folder, *, n_taxa=6, **options):
    alignment, trees = write_example(folder, n_taxa)
    return make_config(alignment=str(alignment), **{"trees": (str(trees),), **FAST, **options})


def fitted(folder, **options):
    """A mixture in memory on all topologies of five taxa."""
    path, _ = write_example(folder, n_taxa=5, n_sites=200)
    alignment = read_alignment(path)
    given = {"components": 2, "sampled": 2, "estimator": "a2a", "iterations": 500, "seed": 3, **options}
    settings = make_config(alignment=str(path), **given)
    return fit_alignment(alignment, collect(alignment.taxa, all_topologies(5)), settings)


def evidence(run):
    return run.evaluate(n_particles=2000, n_repeats=10)


@torch.no_grad()
def weighted_parameters(run, n_particles):
    """Values (T, n) of the parameters, and normalised weights."""
    mixture = run.problem.mixture
    plan = all_components(mixture.n_components)
    draws = mixture.draw(plan, n_particles, torch.Generator().manual_seed(1))
    log_w = sum(run.problem.log_densities(draws)) - mixture.mixed(draws.log_q)
    return run.problem.model.parameters.values(draws.parameters).numpy(), torch.softmax(log_w, dim=0).numpy()


@pytest.mark.parametrize("options", [{}, {"tie_parameters": True, "sampled": 1, "estimator": "s2a"}], ids=str)
def test_evidence_and_mean_of_kappa_are_those_of_brute_force(options):
    alignment = quartet_alignment()
    exact = kappa_posterior(alignment.state_sets)
    assert exact.evidence_error < 0.01
    given = {"components": 2, "sampled": 2, "estimator": "a2a", "iterations": 1000, "decay_every": 200, "seed": 3}
    settings = make_config(alignment="quartet", model="K80", **{**given, **options})
    run = fit_alignment(alignment, collect(alignment.taxa, all_topologies(4)), settings)
    found = run.evaluate(n_particles=1000, n_repeats=20)
    pooled = found.log_ml_pooled
    assert found.pareto_k < 0.7
    assert pooled.standard_error < 0.02
    assert abs(pooled.value - exact.log_evidence) < Z * np.hypot(pooled.standard_error, exact.evidence_error)
    assert exact.log_evidence - 0.5 < found.elbo.value < exact.log_evidence
    values, weights = weighted_parameters(run, 5000)
    kappa = values[:, run.problem.model.parameters.names.index("kappa")]
    mean = weights @ kappa
    error = np.sqrt((weights**2 * (kappa - mean) ** 2).sum())
    assert error < 0.02
    assert abs(mean - exact.mean_kappa) < Z * np.hypot(error, exact.kappa_error)


CONCENTRATED = (
    "ratio=beta(3e6,1e6)", "shape=lognormal(-0.6931471805599453,0.001)",
    "frequencies=dirichlet(3e6,2e6,2e6,3e6)", "invariant=beta(1e6,9e6)",
)  # fmt: skip


def test_concentrated_priors_are_fixed_parameters(tmp_path):
    inferred = fitted(tmp_path, model="HKY+I+G4", priors=CONCENTRATED)
    assert inferred.problem.model.parameters.n_coordinates == 6
    fixed = fitted(tmp_path, model="HKY{3.0}+F{0.3,0.2,0.2,0.3}+I{0.1}+G4{0.5}")
    one, other = evidence(inferred), evidence(fixed)
    assert max(one.pareto_k, other.pareto_k) < 0.7
    error = np.hypot(one.log_ml_pooled.standard_error, other.log_ml_pooled.standard_error)
    assert error < 0.03
    # the widths that are left to the priors change the evidence by about their variance
    assert abs(one.log_ml_pooled.value - other.log_ml_pooled.value) < Z * error + 1e-3
    values, weights = weighted_parameters(inferred, 500)
    np.testing.assert_allclose(weights @ values, [3.0, 0.3, 0.2, 0.2, 0.3, 0.5, 0.1], rtol=2e-3)


def test_two_parts_at_one_rate_are_the_whole(tmp_path):
    """Equal fixed models, and a prior that holds the multipliers at 1."""
    parts = tmp_path / "parts.txt"
    parts.write_text("DNA, odd = 1-200\\2\nDNA, even = 2-200\\2\n")
    model = "K80{2.0}"
    divided = fitted(tmp_path, model=model, partitions=str(parts), priors=("multipliers=dirichlet(1e7)",))
    assert divided.problem.model.parameters.names == ("m{odd}", "m{even}")
    assert [part.name for part in divided.inputs.parts] == ["odd", "even"]
    one, other = evidence(divided), evidence(fitted(tmp_path, model=model))
    error = np.hypot(one.log_ml_pooled.standard_error, other.log_ml_pooled.standard_error)
    assert error < 0.03
    assert abs(one.log_ml_pooled.value - other.log_ml_pooled.value) < Z * error + 1e-3
    values, _ = weighted_parameters(divided, 100)
    np.testing.assert_allclose(values, 1.0, atol=3e-3)


def equal(one, other):
    a, b = (load_checkpoint(folder / "checkpoint.pt") for folder in (one, other))
    assert a["model"].keys() == b["model"].keys()
    return all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])


@pytest.mark.parametrize("options", [{"model": "HKY+G4"}, {"model": "K80", "tie_parameters": True, "recipe": "paper"}])
def test_a_run_stopped_by_time_goes_on_bit_for_bit(tmp_path, options):
    settings = config(tmp_path, **{"iterations": 200, **options})
    whole, _ = fit_folder(settings, tmp_path / "whole")
    _, first = fit_folder(settings, tmp_path / "parts", max_seconds=0.02)
    assert first.ending == "time"
    assert 0 < first.iteration < 200
    fit_folder(settings, tmp_path / "parts", resume=True)
    assert equal(tmp_path / "whole", tmp_path / "parts")
    again = Run.load(tmp_path / "parts")
    assert again.evaluate(n_particles=20, n_repeats=2) == whole.evaluate(n_particles=20, n_repeats=2)


def test_a_fit_from_a_saved_start_is_the_fit_that_grows_by_itself(tmp_path):
    given = {"n_taxa": 5, "model": "HKY+G4", "branch_prior": "gammadir", "priors": ("shape=gamma(2,2)",)}
    settings = config(tmp_path, **given)
    fit_folder(settings, tmp_path / "alone")
    made = shared_start(settings, tmp_path / "start.npz")
    read = shared_start(settings, tmp_path / "start.npz")
    assert np.array_equal(made.topologies.coordinates, read.topologies.coordinates)
    assert read.topologies.coordinates.shape == (5,)
    fit_folder(settings, tmp_path / "shared", start=read)
    assert equal(tmp_path / "alone", tmp_path / "shared")
    for other in ({"branch_prior": "exponential(3)"}, {"priors": ()}, {"model": "HKY+F+G4"}):
        with pytest.raises(InputError, match=next(iter(other))):
            shared_start(config(tmp_path, **{**given, **other}), tmp_path / "start.npz")
    with pytest.raises(ConfigError, match="branch_prior = gammadir"):
        fit_folder(config(tmp_path, **{**given, "branch_prior": "exponential"}), tmp_path / "run", start=read)


def test_settings_come_back(tmp_path):
    settings = config(
        tmp_path, model="GTR+I+G4", priors=CONCENTRATED, branch_prior="gammadir(1,0.1,1,1)", tie_parameters=True,
        rate_parameters=0.01, partitions="parts.nex",
    )  # fmt: skip
    (tmp_path / "config.toml").write_text(settings.to_toml())
    assert load_config(tmp_path / "config.toml") == settings


def test_topologies_that_enter_while_training(tmp_path):
    """A support of one tree: the larger mixture has the same distribution of parameters at once, and trains on."""

    class Listening(Silent):
        def __init__(self):
            self.said = []

        def message(self, text):
            self.said.append(text)

    alignment, trees = write_example(tmp_path, n_sites=40)
    trees.write_text(trees.read_text().splitlines()[0] + "\n")
    settings = make_config(
        alignment=str(alignment), trees=(str(trees),), model="HKY+G4", recipe="paper", iterations=120,
        annealing_iterations=20, components=2, particles=5, refresh_every=50, seed=3,
    )  # fmt: skip
    listening = Listening()
    run, _ = fit_folder(settings, tmp_path / "whole", reporter=listening)
    assert any("are new" in line for line in listening.said)
    assert len(run.problem.mixture.parameter_posterior.response) == run.inputs.support.n_splits
    assert np.isfinite(run.evaluate(n_particles=50, n_repeats=2).log_ml_pooled.value)
    again = Run.load(tmp_path / "whole")
    assert again.evaluate(n_particles=50, n_repeats=2) == run.evaluate(n_particles=50, n_repeats=2)


QUICK = ("--iterations", 20, "--components", 2, "--sampled", 1, "--particles", 2, "--seed", 3)


def test_parts_from_the_command_line(program, tmp_path):
    alignment, trees = write_example(tmp_path)
    parts, run = tmp_path / "parts.nex", tmp_path / "run"
    parts.write_text(
        "#NEXUS\nbegin sets;\ncharset one = 1-80;\ncharset two = 81-.;\n"
        "charpartition mine = HKY+G2: one, JC+I: two;\nend;\n"
    )
    common = ("fit", alignment, "-o", run, "--trees", trees, "--partitions", parts, "--prior", "shape=gamma(2,2)")
    status, out, err = program(*common, "--branch-prior", "gammadir", *QUICK)
    assert status == 0, err
    assert "marginal log-likelihood" in out
    assert "parameters at their optimum: kappa{one} " in err
    loaded = Run.load(run)
    assert loaded.problem.model.parameters.names == (
        "kappa{one}", "pi(A){one}", "pi(C){one}", "pi(G){one}", "pi(T){one}", "alpha{one}", "pinvar{two}", "m{one}",
        "m{two}",
    )  # fmt: skip
    assert [part.model for part in loaded.inputs.parts] == ["HKY+G2", "JC+I"]
    parts.unlink()  # the run has what it needs
    status, _, err = program("fit", alignment, "-o", run, "--resume", "--iterations", 25)
    assert status == 0, err
    status, _, err = program("fit", alignment, "-o", run, "--resume", "--prior", "shape=gamma(2,3)")
    assert status == 2
    assert "the run was started with priors" in err


def test_mistakes_are_one_line_and_leave_nothing_behind(program, tmp_path):
    alignment, trees = write_example(tmp_path)
    run = tmp_path / "run"
    files = {
        "gap": "DNA, one = 1-80\n",
        "twice": "DNA, one = 1-120\nDNA, two = 100-200\n",
        "beyond": "DNA, one = 1-100\nDNA, two = 101-300\n",
        "model": "GTR{1}+G, one = 1-100\nDNA, two = 101-200\n",
        "good": "DNA, one = 1-100\nDNA, two = 101-200\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    cases = [
        (("--partitions", tmp_path / "absent"), "absent"),
        (("--partitions", tmp_path / "gap"), "gap"),
        (("--partitions", tmp_path / "twice"), "twice"),
        (("--partitions", tmp_path / "beyond"), "beyond"),
        (("--partitions", tmp_path / "model"), "part 'one': model string, character 4"),
        (("--partitions", tmp_path / "good", "--prior", "multipliers=dirichlet(1,2,3)"), "takes 1 number or 2, not 3"),
        (("--model", "HKY", "--prior", "frequencies=dirichlet(1,2)"), "of the frequencies takes 1 number or 4, not 2"),
        (("--model", "HKY", "--prior", "kappa=beta(1,1)"), "expected NAME=DISTRIBUTION"),
        (("--branch-prior", "normal(0,1)"), "unknown branch-length prior 'normal(0,1)'"),
        (("--branch-prior", "gammadir(0,1,1,1)"), "gammadir: shape is 0.0"),
        (("--rate-parameters", 0), "rate"),
    ]
    for options, expected in cases:
        status, out, err = program("fit", alignment, "-o", run, "--trees", trees, *options)
        assert (status, out) == (2, ""), (options, err)
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, (options, err)
        assert expected in lines[0], (options, lines)
        assert "Traceback" not in err
        assert not run.exists(), options
