"""Trees, patterns and models to compare likelihoods on."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import expm

from vbpi_mix.phylo import DNA, SitePatterns, Topology, TopologyBatch, from_neighbours, random_topologies, stack
from vbpi_mix.phylo.data_type import PROTEIN, DataType, standard


def _tree(pairs: list[tuple[int, int]], n_taxa: int) -> Topology:
    neighbours: list[list[int]] = [[] for _ in range(2 * n_taxa - 2)]
    for a, b in pairs:
        neighbours[a].append(b)
        neighbours[b].append(a)
    return from_neighbours(neighbours, n_taxa)[0]


def caterpillar(n_taxa: int, generator: np.random.Generator) -> Topology:
    """Taxa in random order along a chain of internal nodes."""
    tips = generator.permutation(n_taxa).tolist()
    inner = list(range(n_taxa, 2 * n_taxa - 2))
    pairs = list(pairwise(inner))
    pairs += [(tips[0], inner[0]), (tips[-1], inner[-1])]
    pairs += list(zip(tips[1:-1], inner, strict=True))
    return _tree(pairs, n_taxa)


def balanced(n_taxa: int, generator: np.random.Generator) -> Topology:
    """Clades of equal size, up to one taxon, below the root."""
    pairs: list[tuple[int, int]] = []
    free = iter(range(n_taxa, 2 * n_taxa - 2))

    def clade(tips: list[int]) -> int:
        if len(tips) == 1:
            return tips[0]
        half = len(tips) // 2
        left, right = clade(tips[:half]), clade(tips[half:])
        node = next(free)
        pairs.extend([(node, left), (node, right)])
        return node

    tips = generator.permutation(n_taxa).tolist()
    pairs.append((clade(tips[: n_taxa // 2]), clade(tips[n_taxa // 2 :])))
    return _tree(pairs, n_taxa)


def shapes(n_trees: int, n_taxa: int, generator: np.random.Generator) -> TopologyBatch:
    """A caterpillar, a balanced tree, and random ones."""
    special = [caterpillar(n_taxa, generator), balanced(n_taxa, generator)][:n_trees]
    rest = [] if n_trees <= 2 else list(random_topologies(n_trees - 2, n_taxa, generator))
    return stack([*special, *rest])


def patterns(n_taxa: int, n_patterns: int, generator: np.random.Generator, *, codes: str = "all") -> SitePatterns:
    """Random state sets: any of 1 to 15 ("all"), one state or missing ("plain"); the last column has no data."""
    choices = np.arange(1, 16) if codes == "all" else np.array([1, 2, 4, 8, 1, 2, 4, 8, 15])
    sets = generator.choice(choices, size=(n_taxa, n_patterns)).astype(np.uint8)
    if n_patterns > 1:
        sets[:, -1] = 15
    return SitePatterns(state_sets=sets, weights=generator.integers(1, 5, n_patterns).astype(np.float64))


def lengths(topologies: TopologyBatch, generator: np.random.Generator) -> torch.Tensor:
    """(T, E) lengths of all kinds: usual, tiny, very long."""
    shape = (topologies.n_trees, topologies.n_edges)
    kinds = generator.choice([0.1, 0.1, 0.1, 1e-6, 5.0, 80.0], size=shape)
    return torch.from_numpy(kinds * generator.exponential(size=shape))


def gtr(rates: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """(4, 4) rate matrix of rates AC, AG, AT, CG, CT, GT; one substitution per unit of time."""
    q = np.zeros((4, 4))
    q[np.triu_indices(4, 1)] = rates
    q = (q + q.T) * frequencies
    np.fill_diagonal(q, -q.sum(axis=1))
    return q / -(frequencies @ q.diagonal())


@dataclass(frozen=True, kw_only=True)
class Model:
    """A rate matrix with rate categories; category rate 0 is invariance."""

    q: np.ndarray
    frequencies: np.ndarray
    rates: np.ndarray
    weights: np.ndarray

    def arguments(self, branch_lengths: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Transition matrices (T, E, C, 4, 4), root frequencies, category weights."""
        times = branch_lengths[..., None] * self.rates
        matrices = expm(self.q * times[..., None, None])
        return torch.from_numpy(matrices), torch.from_numpy(self.frequencies), torch.from_numpy(self.weights)


def random_model(n_categories: int, generator: np.random.Generator) -> Model:
    """A GTR model; with more than one category the first is invariant."""
    frequencies = generator.dirichlet(np.full(4, 5.0))
    rates = generator.exponential(size=n_categories)
    if n_categories > 1:
        rates[0] = 0.0
    weights = generator.dirichlet(np.full(n_categories, 5.0))
    return Model(
        q=gtr(generator.exponential(size=6), frequencies), frequencies=frequencies, rates=rates, weights=weights
    )


CODONS = DataType(name="standard", states="".join(chr(0x100 + i) for i in range(61)), codes={})
TYPES = {2: standard(2), 3: standard(3), 4: DNA, 20: PROTEIN, 61: CODONS}


def example_of_states(n_states: int, *, n_taxa: int = 7, n_patterns: int = 70, n_trees: int = 2, seed: int = 1):
    """Random reversible models of trees with random data, a fifth of it ambiguous or missing."""
    generator = np.random.default_rng(seed)
    data_type = TYPES[n_states]
    sets = np.uint64(1) << generator.integers(n_states, size=(n_taxa, n_patterns)).astype(np.uint64)
    further = generator.integers(1, data_type.missing, size=sets.shape, dtype=np.uint64, endpoint=True)
    kind = generator.random(sets.shape)
    sets = np.where(kind < 0.1, sets | further, np.where(kind > 0.9, np.uint64(data_type.missing), sets))
    if n_patterns > 1:
        sets[:, -1] = data_type.missing
    weights = generator.integers(1, 4, size=n_patterns).astype(float)
    patterns = SitePatterns(state_sets=sets.astype(data_type.dtype), weights=weights, data_type=data_type)
    exchanged = generator.exponential(size=(n_trees, n_states, n_states))
    exchanged += exchanged.transpose(0, 2, 1)
    frequencies = generator.dirichlet(np.full(n_states, 5.0), size=n_trees)
    matrices = exchanged * frequencies[:, None, :]
    matrices[:, range(n_states), range(n_states)] = 0.0
    matrices[:, range(n_states), range(n_states)] = -matrices.sum(axis=2)
    matrices /= -np.einsum("ti,tii->t", frequencies, matrices)[:, None, None]
    topologies = shapes(n_trees, n_taxa, generator)
    lengths = generator.exponential(0.2, size=(n_trees, topologies.n_edges))
    rates = np.array([[0.0, 0.4, 1.7], [0.0, 0.3, 2.0]])[:n_trees]
    of_categories = np.array([[0.1, 0.5, 0.4], [0.2, 0.4, 0.4]])[:n_trees]
    model = [torch.from_numpy(x) for x in (lengths, matrices, frequencies, rates, of_categories)]
    return model, topologies, patterns
