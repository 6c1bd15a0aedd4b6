"""Posterior trees as ArviZ InferenceData, in a NetCDF file.

The groups and names follow the InferenceData schema, one chain:

* `posterior`: `tree_length`, `topology` (its rank by probability, from 1, as in the .trprobs file), `pendant_length` by
  `taxon`, and by `split` (those above 5 %, named by the taxa on the side without the first taxon) `split_present` (0
  or 1) and `split_length` (NaN in trees without the split); where they are inferred, the parameters of the
  substitution model by MrBayes's names: `kappa`, `alpha`, `pinvar`, `r` by `substitution` (A<->C ...), `pi` by `state`,
  and in an alignment of several parts `kappa_1` and so on with the rate multipliers `m_1`;
* `sample_stats`: `lp` (log-likelihood plus log prior), `log_prior`, `total_log_likelihood`, `log_weight` (normalised;
  -log n for equally weighted trees), `component` (from 1);
* `log_likelihood`: `alignment` by `pattern`, the log-likelihood of one site of each site pattern;
* `constant_data`: `pattern_count`, the sites that have each pattern.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix._version import __version__
from vbpi_mix.errors import BackendError, InputError
from vbpi_mix.io.nexus import quote_label
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.site_scores import site_log_likelihoods
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.export.parameter_arrays import parameter_arrays
from vbpi_mix.posterior.export.topology_ranking import TopologyRanking
from vbpi_mix.posterior.export.tree_stream import TreeChunk, TreeStream
from vbpi_mix.posterior.summaries import SplitSummary

_RAREST_SPLIT = 0.05
_DRAW = ("chain", "draw")


def require_netcdf() -> None:
    """Raise BackendError if the library that writes NetCDF is not installed."""
    if find_spec("h5netcdf") is None:
        raise BackendError("NetCDF files need the package h5netcdf: pip install 'vbpi_mix[netcdf]'")


def write_netcdf(
    stream: TreeStream, splits: SplitSummary, ranking: TopologyRanking, model: PhyloModel, path: Path | str
) -> None:
    """Write a stream as InferenceData; `arviz.from_netcdf` reads it.

    Arguments:
        stream: the trees.
        splits: splits of the same stream.
        ranking: ranking of the same stream.
        model: model for the log-likelihoods of site patterns; the one that scored the trees.
        path: the file to write, of 8 bytes for each tree and pattern and a little more.

    Raises:
        BackendError: h5netcdf is not installed.
        InputError: the file cannot be written, or the stream lacks the coordinates of its parameters.
    """
    require_netcdf()
    if model.parameters.n_coordinates and stream.take(np.zeros(1, dtype=np.int64)).coordinates.shape[1] == 0:
        raise InputError("log-likelihoods of sites need coordinates of the parameters: write a stream drawn from a run")
    listed = np.flatnonzero(splits.frequency >= _RAREST_SPLIT)
    with _new_file(Path(path)) as file:
        file.attrs["inference_library"] = "vbpi_mix"
        file.attrs["inference_library_version"] = __version__
        file.attrs["comment"] = "\n".join(stream.describe())
        file.attrs["weighted"] = int(stream.weighted)
        file.attrs["n_draws"] = stream.n_draws
        file.attrs["effective_sample_size"] = stream.effective_sample_size
        tables = [
            _Posterior(file, stream, splits.clades[listed], [splits.members(i) for i in listed.tolist()], ranking),
            _Statistics(file, stream),
            _Sites(file, stream, model),
        ]
        for chunk in stream.read():
            for table in tables:
                table.add(chunk)


class _Posterior:
    """The group `posterior`."""

    def __init__(
        self,
        file: Any,
        stream: TreeStream,
        clades: np.ndarray,
        members: list[tuple[str, ...]],
        ranking: TopologyRanking,
    ) -> None:
        self._ranking = ranking
        self._position = {row.tobytes(): i for i, row in enumerate(clades)}
        group = _group(file, "posterior", stream.n_trees, taxon=stream.n_taxa, split=len(clades))
        _texts(group, "taxon", list(stream.taxa))
        _texts(group, "split", [",".join(quote_label(name) for name in row) for row in members])
        self._total = group.create_variable("tree_length", _DRAW, np.float64)
        self._topology = group.create_variable("topology", _DRAW, np.int64)
        self._pendant = group.create_variable("pendant_length", (*_DRAW, "taxon"), np.float64)
        self._present = group.create_variable("split_present", (*_DRAW, "split"), np.int8)
        self._length = group.create_variable("split_length", (*_DRAW, "split"), np.float64)
        self._parameters: list[tuple[Any, tuple[int, ...]]] = []
        for array in parameter_arrays(stream.parameter_names):
            if array.axis is not None and array.axis not in group.dimensions:
                group.dimensions[array.axis] = len(array.labels)
                _texts(group, array.axis, list(array.labels))
            shape = _DRAW if array.axis is None else (*_DRAW, array.axis)
            self._parameters.append((group.create_variable(array.name, shape, np.float64), array.columns))

    def add(self, chunk: TreeChunk) -> None:
        rows, n = slice(chunk.first, chunk.first + chunk.n_trees), chunk.topologies.n_taxa
        self._total[0, rows] = chunk.branch_lengths.sum(axis=1)
        self._topology[0, rows] = self._ranking.ranks(chunk.topologies)
        self._pendant[0, rows] = chunk.branch_lengths[:, :n]
        for variable, columns in self._parameters:
            values = chunk.parameters[:, columns]
            variable[0, rows] = values if len(variable.dimensions) > len(_DRAW) else values[:, 0]
        clades = chunk.topologies.clades()[:, n:]
        distinct, inverse = bits.unique_rows(clades.reshape(-1, clades.shape[2]))
        column = np.array([self._position.get(row.tobytes(), -1) for row in distinct], dtype=np.int64)[inverse]
        at = np.flatnonzero(column >= 0)
        lengths = np.full((chunk.n_trees, len(self._position)), np.nan)
        lengths[at // (n - 3), column[at]] = chunk.branch_lengths[:, n:].reshape(-1)[at]
        self._length[0, rows] = lengths
        self._present[0, rows] = ~np.isnan(lengths)


class _Statistics:
    """The group `sample_stats`."""

    def __init__(self, file: Any, stream: TreeStream) -> None:
        self._total_weight = stream.total_weight
        group = _group(file, "sample_stats", stream.n_trees)
        names = ("lp", "log_prior", "total_log_likelihood", "log_weight")
        self._variables = {name: group.create_variable(name, _DRAW, np.float64) for name in names}
        self._component = group.create_variable("component", _DRAW, np.int64)

    def add(self, chunk: TreeChunk) -> None:
        rows = slice(chunk.first, chunk.first + chunk.n_trees)
        with np.errstate(divide="ignore"):
            log_weight = np.log(chunk.weights / self._total_weight)
        self._variables["lp"][0, rows] = chunk.log_likelihood + chunk.log_prior
        self._variables["log_prior"][0, rows] = chunk.log_prior
        self._variables["total_log_likelihood"][0, rows] = chunk.log_likelihood
        self._variables["log_weight"][0, rows] = log_weight
        self._component[0, rows] = chunk.components + 1


class _Sites:
    """The groups `log_likelihood` and `constant_data`."""

    def __init__(self, file: Any, stream: TreeStream, model: PhyloModel) -> None:
        self._model = model
        n_patterns = len(model.pattern_weights)
        group = _group(file, "log_likelihood", stream.n_trees, pattern=n_patterns)
        _numbers(group, "pattern", n_patterns)
        self._variable = group.create_variable("alignment", (*_DRAW, "pattern"), np.float64)
        constant = file.create_group("constant_data")
        constant.dimensions = {"pattern": n_patterns}
        _numbers(constant, "pattern", n_patterns)
        constant.create_variable("pattern_count", ("pattern",), np.float64)[:] = model.pattern_weights

    def add(self, chunk: TreeChunk) -> None:
        rows = slice(chunk.first, chunk.first + chunk.n_trees)
        self._variable[0, rows] = site_log_likelihoods(
            self._model, chunk.branch_lengths, chunk.topologies, np.array(chunk.coordinates)
        )


def _group(file: Any, name: str, n_trees: int, **dimensions: int) -> Any:
    """A group with the dimensions chain and draw, numbered from 0, and others."""
    group = file.create_group(name)
    group.dimensions = {"chain": 1, "draw": n_trees, **dimensions}
    _numbers(group, "chain", 1)
    _numbers(group, "draw", n_trees)
    group.attrs["inference_library"] = "vbpi_mix"
    group.attrs["inference_library_version"] = __version__
    return group


def _numbers(group: Any, name: str, count: int) -> None:
    group.create_variable(name, (name,), np.int64)[:] = np.arange(count)


def _texts(group: Any, name: str, values: list[str]) -> None:
    import h5py

    group.create_variable(name, (name,), h5py.string_dtype("utf-8"))[:] = np.array(values, dtype=object)


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """A NetCDF file under a temporary name, renamed when the block ends well."""
    import h5netcdf

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with h5netcdf.File(temporary, "w") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
