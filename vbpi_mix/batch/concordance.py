"""Split frequencies over loci on the taxa that they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbpi_mix.batch.result import LocusResult, load_result
from vbpi_mix.batch.run import results_of
from vbpi_mix.errors import InputError
from vbpi_mix.phylo import clades
from vbpi_mix.writing import atomic_write

_FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class SplitConcordance:
    """One split of the shared taxa.

    Arguments:
        taxa: The side without the first of the shared taxa.
        concordance: Mean over loci of its posterior probability: the expected share of loci whose tree has it.
        standard_error: Standard error of that mean as an estimate for loci like these.
        n_likely: Loci where its probability is above one half.
        lowest, highest: Posterior probability in a locus.
    """

    taxa: tuple[str, ...]
    concordance: float
    standard_error: float
    n_likely: int
    lowest: float
    highest: float


def concordance(
    batch: Path, *, taxa: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[SplitConcordance], int]:
    """Splits of the shared taxa over all finished loci, most concordant first.

    Posterior trees of each locus are pruned to the taxa. Loci are read one by one, and only sums kept.

    Arguments:
        batch: Folder of the batch.
        taxa: At least four taxa; those that all loci have if not given. Loci that lack one are left out then.

    Returns:
        The taxa, the splits, and the number of loci.

    Raises:
        InputError: fewer than four taxa, or no locus that has them.
    """
    paths = [path for _, path in results_of(batch)]
    if taxa is None:
        shared: set[str] | None = None
        order: tuple[str, ...] = ()
        for path in paths:
            names = load_result(path).taxa
            order = order or names
            shared = set(names) if shared is None else shared & set(names)
        chosen = tuple(name for name in order if name in (shared or set()))
        if len(chosen) < _FEWEST:
            raise InputError(
                f"all {len(paths)} loci share {len(chosen)} taxa, and splits need {_FEWEST}: name some with --taxa"
            )
    else:
        chosen = tuple(dict.fromkeys(taxa))
        if len(chosen) < _FEWEST:
            raise InputError(f"concordance needs at least {_FEWEST} taxa, not {len(chosen)}")
    sums: dict[frozenset[str], list[float]] = {}
    n_loci = 0
    for path in paths:
        result = load_result(path)
        if not set(chosen) <= set(result.taxa):
            continue
        n_loci += 1
        for side, p in shared_splits(result, chosen).items():
            found = sums.setdefault(side, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
            found[0] += p
            found[1] += p * p
            found[2] += p > 0.5
            found[3] = min(found[3], p)
            found[4] = max(found[4], p)
            found[5] += 1
    if not n_loci:
        raise InputError(f"no locus has all of the taxa {', '.join(chosen)}")
    table = []
    for side, (total, squares, likely, low, high, seen) in sums.items():
        mean = total / n_loci
        variance = max(0.0, squares / n_loci - mean**2) / max(1, n_loci - 1)
        table.append(
            SplitConcordance(
                taxa=tuple(name for name in chosen if name in side),
                concordance=mean,
                standard_error=float(np.sqrt(variance)),
                n_likely=int(likely),
                lowest=low if seen == n_loci else 0.0,
                highest=high,
            )
        )
    return chosen, sorted(table, key=lambda s: (-s.concordance, s.taxa)), n_loci


def shared_splits(result: LocusResult, taxa: Sequence[str]) -> dict[frozenset[str], float]:
    """Posterior probabilities of the splits that the trees of a locus have on some of its taxa, by the side without the
    first of them.
    """
    position = {name: i for i, name in enumerate(result.taxa)}
    columns = np.array([position[name] for name in taxa])
    n = result.n_taxa
    inside = clades.members(result.topologies.clades(), n)[:, :, columns]  # (X, E, chosen)
    inside = np.where(inside[:, :, :1], ~inside, inside)
    size = inside.sum(axis=2)
    found: dict[frozenset[str], float] = {}
    for p, rows, sizes in zip(result.probabilities.tolist(), inside, size, strict=True):
        inner = rows[(sizes >= 2) & (sizes <= len(taxa) - 2)]
        for row in np.unique(inner, axis=0):  # edges of a path are one edge once other taxa are gone
            side = frozenset(name for name, is_inside in zip(taxa, row.tolist(), strict=True) if is_inside)
            found[side] = found.get(side, 0.0) + p
    return found


def write_concordance(path: Path, splits: Sequence[SplitConcordance]) -> None:
    """A table with tabs: taxa with commas between them, and the numbers.

    Raises:
        InputError: it cannot be written.
    """
    with atomic_write(path) as file:
        file.write("concordance\tstandard_error\tloci_above_half\tlowest\thighest\tsize\ttaxa\n")
        file.writelines(
            f"{s.concordance:.6f}\t{s.standard_error:.6f}\t{s.n_likely}\t{s.lowest:.6f}\t{s.highest:.6f}\t"
            f"{len(s.taxa)}\t{','.join(s.taxa)}\n"
            for s in splits
        )
