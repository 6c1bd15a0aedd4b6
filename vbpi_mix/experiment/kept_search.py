"""Files that a search for topologies keeps in the folder of its run until the run is past its start."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from vbpi_mix._version import __version__
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.phylo import Alignment

TARGET = ("model", "codon_positions", "branch_prior", "branch_prior_rate", "priors", "constraints")


@dataclass(frozen=True, kw_only=True)
class KeptSearch:
    """State from which an interrupted search goes on.

    Arguments:
        results: results of the list of topologies, see `io.kept_results`.
        chains: file of the state of chains, or None to keep none.
        identity: identity of data and model.
    """

    results: KeptResults = field(default_factory=KeptResults)
    chains: Path | None = None
    identity: str = ""

    @classmethod
    def of(cls, folder: RunFolder, config: FitConfig, alignment: Alignment) -> "KeptSearch":
        """State that the folder of a run keeps.

        Raises:
            ConfigError, CheckpointError: see `KeptResults`.
        """
        digest = hashlib.sha256(repr((__version__, alignment.taxa, *(getattr(config, x) for x in TARGET))).encode())
        digest.update(alignment.state_sets.tobytes())
        if config.partitions:
            digest.update(Path(config.partitions).read_bytes())
        identity = digest.hexdigest()
        return cls(results=KeptResults(folder.search, identity), chains=folder.chains_so_far, identity=identity)
