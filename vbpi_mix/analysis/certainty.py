"""Certainty of the whole tree: credible sets, central trees, rogue taxa, islands, and a paragraph about them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.phylo import Topology
from vbpi_mix.posterior.questions.centre import Centre, medoid, most_probable
from vbpi_mix.posterior.questions.credible import CredibleSet, counted, credible_sets, ranking
from vbpi_mix.posterior.questions.islands import SMALLEST_ISLAND, Island, islands
from vbpi_mix.posterior.questions.rogues import Rogues, rogue_taxa


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """Summary of how certain the whole topology is.

    Arguments:
        taxa: (N,) names.
        sets: credible sets at 50, 95 and 99 %.
        ladder: (T,) posterior probability of the topologies in the order in which the sets take them.
        best: the topology most probable by the mixture (by the clade distribution of annealed trees).
        middle: the one with the smallest mean Robinson-Foulds distance to the posterior's trees.
        rogues: entropy of the topology, and without each taxon.
        islands: islands of the 95 % set, most probable first.
        islands_complete: whether all of the set was looked at.
        conditional_on: data, model and priors in words.
    """

    taxa: tuple[str, ...]
    sets: tuple[CredibleSet, ...]
    ladder: np.ndarray
    best: Centre
    middle: Centre
    rogues: Rogues
    islands: tuple[Island, ...]
    islands_complete: bool
    conditional_on: str

    @property
    def credible(self) -> CredibleSet:
        """The 95 % set."""
        return self.sets[1]

    @property
    def main_islands(self) -> tuple[Island, ...]:
        """Islands of at least 1 %; smaller ones of many draws are chance."""
        return tuple(island for island in self.islands if island.probability >= SMALLEST_ISLAND)

    def paragraph(self) -> str:
        """A form of words to copy."""
        half, most, _ = self.sets
        if most.n_topologies == 1 and most.complete:
            text = f"One topology has {most.probability:.1%} of the posterior probability"
        else:
            text = (
                f"The 95% credible set holds {counted(most)} topologies with {most.n_splits:,} distinct splits, "
                f"half of the posterior probability is held by {half.n_topologies:,}"
            )
        text += f", given {self.conditional_on}. "
        if self.best.drawn:
            text += (
                f"The topology most probable by the mixture has a posterior probability of {self.best.probability:.3g}"
            )
        else:
            text += "The topology that is most probable by the mixture is not among the draws"
        text += (
            f"; the tree in the middle differs from a tree of the posterior by {self.middle.value:.1f} splits "
            "(Robinson-Foulds distance) on average. "
        )
        taxa = self.rogues.largest(3)
        if taxa:
            each = ", ".join(f"{name} ({fall:.2f})" for name, fall in taxa)
            text += f"The entropy of the topology is {self.rogues.entropy:.2f} nats; it falls most without {each}. "
        main = self.main_islands
        if len(main) > 1:
            shares = ", ".join(f"{island.probability:.2f}" for island in main[:5])
            text += (
                f"The set falls into {len(main)} islands of more than 1% between which no nearest-neighbour "
                f"interchange leads, with {shares} of the probability. "
            )
        return text.strip()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "credible_sets": [vars(s) | {"threshold": None} for s in self.sets],
            "most_probable": self._centre(self.best, "log_score"),
            "medoid": self._centre(self.middle, "mean_distance"),
            "entropy": self.rogues.entropy,
            "entropy_falls_without": dict(zip(self.taxa, self.rogues.fall.tolist(), strict=True)),
            "islands": [
                {
                    "probability": i.probability,
                    "topologies": i.n_topologies,
                    "best": self._newick(i.best),
                    "splits": [{"taxa": list(t), "here": a, "elsewhere": b} for t, a, b in i.splits],
                }
                for i in self.islands
            ],
            "paragraph": self.paragraph(),
        }

    def _centre(self, centre: Centre, what: str) -> dict[str, Any]:
        value = float(centre.value) if np.isfinite(centre.value) else None
        return {"newick": self._newick(centre.topology), what: value, "probability": centre.probability}

    def _newick(self, topology: Topology) -> str:
        from vbpi_mix.io.nexus import newick_label

        return topology.newick([newick_label(name) for name in self.taxa])


def certainty(posterior: Posterior) -> Certainty:
    """Gather what a run says of the whole topology."""
    draws, model = posterior.draws, posterior.run.problem.model
    found, complete = islands(draws)
    return Certainty(
        taxa=posterior.taxa,
        sets=credible_sets(draws, posterior.scores),
        ladder=draws.probability[ranking(draws, posterior.scores)],
        best=most_probable(draws, posterior.rank),
        middle=medoid(draws, None if model.constraints is None else model.allows),
        rogues=rogue_taxa(draws),
        islands=found,
        islands_complete=complete,
        conditional_on=posterior.conditional_on,
    )
