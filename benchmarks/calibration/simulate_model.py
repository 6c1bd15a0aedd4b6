"""Trees, parameters of GTR+I+G and alignments drawn from the model with its priors."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from benchmarks.evolve import evolve_states
from vbpi_mix.model import ReversibleModel, SiteRates, SubstitutionModel
from vbpi_mix.model.gamma import LARGEST_SHAPE, SMALLEST_SHAPE
from vbpi_mix.phylo import Alignment, Topology, random_topologies
from vbpi_mix.phylo.alignment import STATES

N_CATEGORIES = 4
EXCHANGED = tuple(f"r({a}<->{b})" for a, b in combinations(STATES, 2))
FREQUENCIES = tuple(f"pi({a})" for a in STATES)
PARAMETERS = (*EXCHANGED, *FREQUENCIES, "alpha", "pinvar")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What an alignment was simulated with.

    Arguments:
        topology: unrooted.
        branch_lengths: (E,) expected substitutions per site.
        parameters: values by MrBayes's names, see `PARAMETERS`.
    """

    topology: Topology
    branch_lengths: np.ndarray
    parameters: dict[str, float]

    def model(self) -> ReversibleModel:
        """The substitution model of these parameters; shapes out of the package's range are moved to its ends."""
        values = self.parameters
        shape = min(max(values["alpha"], SMALLEST_SHAPE), LARGEST_SHAPE)
        return ReversibleModel(
            torch.tensor([values[name] for name in EXCHANGED], dtype=torch.float64),
            torch.tensor([values[name] for name in FREQUENCIES], dtype=torch.float64),
            site_rates=SiteRates(
                gamma_shape=torch.tensor(shape, dtype=torch.float64),
                n_gamma_categories=N_CATEGORIES,
                proportion_invariant=torch.tensor(values["pinvar"], dtype=torch.float64),
            ),
        )


def draw_truth(n_taxa: int, generator: np.random.Generator, *, mean_length: float = 0.1) -> Truth:
    """A draw from the prior: a uniform topology, exponential lengths, and the parameters of GTR+I+G4.

    Exchangeabilities Dirichlet(1,1,1,1,1,1), frequencies Dirichlet(1,1,1,1), shape Exponential(1), proportion of
    invariant sites Uniform(0,1).
    """
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    lengths = generator.exponential(mean_length, size=2 * n_taxa - 3)
    values = [
        *generator.dirichlet(np.ones(len(EXCHANGED))).tolist(),
        *generator.dirichlet(np.ones(len(FREQUENCIES))).tolist(),
        float(generator.exponential()),
        float(generator.random()),
    ]
    return Truth(topology=topology, branch_lengths=lengths, parameters=dict(zip(PARAMETERS, values, strict=True)))


def simulate_model(
    model: SubstitutionModel, topology: Topology, lengths: np.ndarray, n_sites: int, generator: np.random.Generator
) -> Alignment:
    """An alignment of `n_sites` independent sites, each of a random rate category, without gaps.

    Arguments:
        model: its transition matrices are those of the package's likelihood.
        topology: N taxa, named t0, t1, ...
        lengths: (E,) branch lengths.
        n_sites: L.
        generator: source of the draws.
    """
    with torch.no_grad():
        matrices = model.transition_matrices(torch.from_numpy(np.asarray(lengths, dtype=np.float64))[None])[0].numpy()
        frequencies, shares = model.root_frequencies().numpy(), model.category_weights().numpy()
    category = _draw(np.broadcast_to(shares, (n_sites, len(shares))), generator)
    states = evolve_states(
        topology,
        _draw(np.broadcast_to(frequencies, (n_sites, 4)), generator),
        lambda upper, edge: _draw(matrices[edge, category, upper], generator),
    )
    taxa = tuple(f"t{i}" for i in range(topology.n_taxa))
    return Alignment(taxa=taxa, state_sets=np.left_shift(np.uint8(1), states), source="simulated")


def _draw(probabilities: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(L,) one draw from each of (L, k) probabilities."""
    ladder = probabilities.cumsum(axis=1)
    points = generator.random(len(ladder)) * ladder[:, -1]
    return (points[:, None] >= ladder[:, :-1]).sum(axis=1).astype(np.uint8)
