"""The posterior of one locus in one small file."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.phylo.tree_sample import TreesWithLengths

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class LocusResult:
    """Posterior of a locus.

    Arguments:
        name: Name of the locus.
        key: Hash of its data and options.
        taxa: (N,) names.
        topologies: Distinct ones, most probable first.
        probabilities: (X,) their shares of the posterior sample.
        tree_topology: (T,) number among `topologies` of each tree that is kept with lengths.
        branch_lengths: (T, E) float32 expected substitutions per site.
        parameters: (T, d) float32 values of the parameters of the substitution model.
        parameter_names: (d,).
        n_sites: Sites of the alignment.
        depth: Depth of the analysis that found the posterior.
        level: good, fair or poor.
        verdict: Verdict in words.
        log_ml: Log marginal likelihood and its standard error; NaN where it was not estimated.
        agreement: Numbers behind the verdict.
    """

    name: str
    key: str
    taxa: tuple[str, ...]
    topologies: TopologyBatch
    probabilities: np.ndarray
    tree_topology: np.ndarray
    branch_lengths: np.ndarray
    parameters: np.ndarray
    parameter_names: tuple[str, ...] = ()
    n_sites: int
    depth: str
    level: str
    verdict: str
    log_ml: tuple[float, float] = (math.nan, math.nan)
    agreement: dict[str, float] = field(default_factory=dict)

    @property
    def n_taxa(self) -> int:
        return len(self.taxa)

    @property
    def n_trees(self) -> int:
        return len(self.tree_topology)

    @property
    def effective_topologies(self) -> float:
        """exp(entropy) of the probabilities."""
        p = self.probabilities
        return float(np.exp(-(p * np.log(p)).sum()))

    def sample(self) -> TreeSample:
        """The topologies with their probabilities."""
        return TreeSample(taxa=self.taxa, topologies=self.topologies, weights=self.probabilities)

    def trees(self) -> TreesWithLengths:
        """The trees with lengths, equally weighted."""
        return TreesWithLengths(
            taxa=self.taxa,
            topologies=self.topologies[self.tree_topology],
            branch_lengths=self.branch_lengths.astype(np.float64),
            weights=np.full(self.n_trees, 1.0 / self.n_trees),
        )

    def split_frequencies(self) -> tuple[np.ndarray, np.ndarray]:
        """(X, W) clades without taxon 0 of all inner splits, and (X,) their posterior probabilities, largest first."""
        n = self.n_taxa
        words = self.topologies.clades()[:, n:]
        flat = words.reshape(-1, words.shape[2])
        distinct, number = np.unique(flat, axis=0, return_inverse=True)
        weight = np.repeat(self.probabilities, n - 3)
        total = np.bincount(number.reshape(-1), weight, len(distinct)) if len(flat) else np.zeros(0)
        order = np.argsort(-total, kind="stable")
        return distinct[order], total[order]

    def save(self, path: Path) -> None:
        """Write one compressed file; atomic.

        Raises:
            InputError: it cannot be written.
        """
        about = {
            "format": _FORMAT,
            **{k: getattr(self, k) for k in ("name", "key", "taxa", "n_sites", "depth", "level", "verdict")},
            "parameter_names": self.parameter_names,
            "log_ml": [None if math.isnan(x) else x for x in self.log_ml],
            "agreement": {k: v for k, v in self.agreement.items() if math.isfinite(v)},
        }
        small = np.uint8 if 2 * self.n_taxa <= 256 else np.uint16
        save_arrays(
            path,
            {
                "about": np.array(json.dumps(about).encode()),
                "children": self.topologies.children.astype(small),
                "probabilities": self.probabilities,
                "tree_topology": self.tree_topology.astype(np.uint32),
                "branch_lengths": self.branch_lengths.astype(np.float32),
                "parameters": self.parameters.astype(np.float32),
            },
        )


def load_result(path: Path) -> LocusResult:
    """Read what `LocusResult.save` wrote.

    Raises:
        CheckpointError: not there, or damaged.
    """
    with reading(path, CheckpointError, "delete it and call `batch` again"):
        arrays = load_arrays(path)
        about: dict[str, Any] = json.loads(arrays["about"].item().decode())
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']}, not {_FORMAT}")
        value, error = about["log_ml"]
        return LocusResult(
            **{k: about[k] for k in ("name", "key", "n_sites", "depth", "level", "verdict")},
            taxa=tuple(about["taxa"]),
            topologies=TopologyBatch(arrays["children"].astype(np.int32)),
            probabilities=arrays["probabilities"],
            tree_topology=arrays["tree_topology"].astype(np.int64),
            branch_lengths=arrays["branch_lengths"],
            parameters=arrays["parameters"],
            parameter_names=tuple(about["parameter_names"]),
            log_ml=(math.nan if value is None else value, math.nan if error is None else error),
            agreement=about["agreement"],
        )
