import numpy as np
import pytest

from vbpi_mix.phylo import all_topologies
from vbpi_mix.start.length_memory import length_memory
from vbpi_mix.support import build_support, encode

SIX = all_topologies(6)


def test_lengths_are_means_by_split_in_which_better_topologies_count_more():
    generator = np.random.default_rng(1)
    seen, log_lengths = SIX[:5], generator.normal(-3, 1, (5, 9))
    log_density = np.array([-100.0, -101.0, -130.0, -160.0, -900.0])
    memory = length_memory(seen, log_lengths, log_density)
    # splits by their clades, independently of the numbers that the support gives them
    share = np.exp(log_density / 20 + 5.0) + 1e-9
    terms: dict[bytes, list[tuple[float, float]]] = {}
    for row, lengths, weight in zip(seen.clades(), log_lengths, share, strict=True):
        for clade, length in zip(row[:9], lengths, strict=True):
            terms.setdefault(clade.tobytes(), []).append((weight, length))
    means = {clade: np.average([x for _, x in t], weights=[w for w, _ in t]) for clade, t in terms.items()}
    found = memory.lengths(SIX)
    inner = [mean for clade, mean in means.items() if int(np.frombuffer(clade, dtype=np.uint64)[0]).bit_count() > 1]
    for row, lengths in zip(SIX.clades(), found, strict=True):
        for clade, length in zip(row[:9], lengths, strict=True):
            assert length == pytest.approx(means.get(clade.tobytes(), memory.otherwise))
    assert memory.otherwise <= np.median(inner)
    assert (encode(build_support(seen), SIX).split_ids < 0).any()  # some splits were not seen
