"""Moves and annealing under constraints, against all topologies of five taxa."""

import numpy as np
import pytest

from tests.anneal.examples import TYPICAL, exact_posterior, small_model, walk_chains
from tests.anneal.test_smc import narrow_reference
from tests.phylo.test_constraint_counts import EXAMPLES, clade, constraint, names
from tests.statistics import assert_mean
from vbpi_mix.anneal.chains import Scaling, Walker, WalkSettings
from vbpi_mix.anneal.path_moves import LocalMoves
from vbpi_mix.anneal.rules import keeps_rules, make_rules
from vbpi_mix.anneal.smc import AnnealSettings, anneal
from vbpi_mix.anneal.trees import moving_tree, taxon_keys
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.phylo.constraints import Constraints

CASES = {
    "clade": [constraint(5, clade(5, 1, 2))],
    "no clade": [constraint(5, clade(5, 0, 1), negative=True)],
    "backbone": [constraint(5, ((0, 2), (1, 4)))],
    "neither": [
        constraint(5, ((0, 1), (2, 3)), negative=True),
        constraint(5, clade(5, 2, 3), clade(5, 0, 1), negative=True),
    ],
}
MOVES = {"edges": WalkSettings(regrafts=0.0), "regrafts": WalkSettings(regrafts=0.5, radius=4)}


def constrained(each):
    constraints = Constraints(taxa=names(5), each=tuple(each))
    model, free = small_model(constraints=constraints), small_model()
    log_ml, means = exact_posterior(free)
    allowed = constraints.allows(all_topologies(5))
    log_ml = np.where(allowed, log_ml, -np.inf)
    total = np.logaddexp.reduce(log_ml)
    return model, np.exp(log_ml - total), means, total + np.log(15) - np.log(allowed.sum())


@pytest.mark.parametrize("each", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    "moves", [WalkSettings(regrafts=0.0), WalkSettings(regrafts=0.5, radius=4)], ids=["edges", "regrafts"]
)
def test_moves_sample_the_posterior_under_constraints(each, moves):
    model, share, means, _ = constrained(each)
    frequencies, lengths, _ = walk_chains(model, moves)
    assert (frequencies[:, share == 0] == 0).all()
    assert_mean(frequencies, share, slack=0.004)  # 20,000 draws know the shares that well
    assert_mean(lengths, share @ means, slack=0.002)


@pytest.mark.parametrize("each", CASES.values(), ids=CASES)
def test_annealed_evidence_is_unbiased_under_constraints(each):
    model, share, _, log_ml = constrained(each)
    topologies = all_topologies(5)
    times = np.where(share > 0, 2, 1)  # the reference also draws what is excluded
    moves = LocalMoves(Walker(model), Scaling(model), narrow_reference(topologies, times), TYPICAL)
    settings = AnnealSettings(n_particles=24)
    pilot, *seeds = np.random.SeedSequence(6).spawn(61)
    betas = anneal(moves, seed=pilot, settings=settings).betas
    groups = [anneal(moves, seed=s, settings=settings, betas=betas) for s in seeds]
    assert all(model.allows(g.particles.topologies).all() for g in groups)
    assert_mean(np.exp([g.log_ml - log_ml for g in groups]), 1.0, slack=0.01)


@pytest.mark.parametrize(("n", "each"), EXAMPLES)
def test_the_compiled_test_agrees_with_the_plain_one(n, each):
    constraints = Constraints(taxa=names(n), each=tuple(each))
    rules = make_rules(constraints or None)
    topologies = random_topologies(200, n, np.random.default_rng(3))
    trees = [moving_tree(row, np.ones(2 * n - 3), taxon_keys(n)) for row in topologies.children]
    found = [keeps_rules(tree.kids, int(tree.top[0]), rules) for tree in trees]
    assert (np.array(found) == constraints.allows(topologies)).all()
