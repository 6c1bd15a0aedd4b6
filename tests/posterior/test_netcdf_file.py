"""The NetCDF file read with h5netcdf alone, and with xarray and ArviZ where they are installed."""

import numpy as np
import pytest

from tests.experiment.simulated import fitted_example
from vbpi_mix.errors import BackendError, InputError
from vbpi_mix.posterior import netcdf_file, rank_topologies, summarise_stream
from vbpi_mix.posterior.netcdf_file import write_netcdf
from vbpi_mix.posterior.streaming import stream_resampled, stream_weighted

h5netcdf = pytest.importorskip("h5netcdf", reason="h5netcdf is not installed: pip install 'vbpi_mix[netcdf]'")


@pytest.fixture(scope="module", params=["resampled", "weighted"])
def written(request, tmp_path_factory):
    folder, run = tmp_path_factory.mktemp("nc"), fitted_example()
    make = stream_resampled if request.param == "resampled" else stream_weighted
    stream = make(run.problem, run.inputs.taxa, 9000, seed=1, stream=3, folder=folder)  # more than one chunk
    write_netcdf(stream, summarise_stream(stream), rank_topologies(stream), run.problem.model, folder / "x.nc")
    return run, stream, folder / "x.nc"


def test_what_is_in_it(written):
    run, stream, path = written
    chunk = stream.take(np.arange(stream.n_trees))
    splits = summarise_stream(stream)
    weights = chunk.weights / stream.total_weight
    with h5netcdf.File(path) as file:
        posterior, statistics = file["posterior"], file["sample_stats"]
        assert posterior.dimensions["draw"].size == 9000
        assert posterior.dimensions["chain"].size == 1
        assert tuple(name.decode() for name in posterior["taxon"][:]) == run.inputs.taxa
        np.testing.assert_allclose(posterior["tree_length"][0], chunk.branch_lengths.sum(axis=1))
        np.testing.assert_array_equal(posterior["pendant_length"][0], chunk.branch_lengths[:, :6])
        present, lengths = posterior["split_present"][0], posterior["split_length"][0]
        listed = splits.frequency >= 0.05
        np.testing.assert_allclose(weights @ present, splits.frequency[listed])
        np.testing.assert_array_equal(present == 1, ~np.isnan(lengths))
        np.testing.assert_allclose(weights @ np.nan_to_num(lengths), (splits.frequency * splits.mean_length)[listed])
        assert posterior["split"][0].decode().replace("'", "").split(",") == list(splits.members(0))
        np.testing.assert_allclose(statistics["lp"][0], chunk.log_likelihood + chunk.log_prior)
        np.testing.assert_allclose(np.exp(statistics["log_weight"][0]), weights, rtol=1e-9)
        np.testing.assert_array_equal(statistics["component"][0], chunk.components + 1)
        ranking = rank_topologies(stream)
        share = np.bincount(posterior["topology"][0], weights=weights)
        np.testing.assert_allclose(share[1 : 1 + ranking.n_topologies], ranking.probability)
        total = file["log_likelihood"]["alignment"][0] @ file["constant_data"]["pattern_count"][:]
        np.testing.assert_allclose(total, chunk.log_likelihood, rtol=1e-12)
        assert file.attrs["effective_sample_size"] == pytest.approx(stream.effective_sample_size)


def test_equal_streams_write_equal_files(written, tmp_path):
    run, stream, path = written
    write_netcdf(stream, summarise_stream(stream), rank_topologies(stream), run.problem.model, tmp_path / "again.nc")
    assert (tmp_path / "again.nc").read_bytes() == path.read_bytes()


def test_xarray_reads_groups_with_labels(written):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    run, _, path = written
    tree = xarray.open_datatree(path, engine="h5netcdf")
    assert tree["posterior"]["pendant_length"].sel(taxon=run.inputs.taxa[2]).shape == (1, 9000)
    assert set(tree.children) == {"posterior", "sample_stats", "log_likelihood", "constant_data"}


def test_arviz_reads_it(written):
    arviz = pytest.importorskip("arviz", reason="ArviZ is not installed")
    _, stream, path = written
    data = arviz.from_netcdf(str(path))
    summary = arviz.summary(data, var_names=["tree_length"])
    mean = stream.take(np.arange(stream.n_trees)).branch_lengths.sum(axis=1).mean()
    assert float(summary["mean"].iloc[0]) == pytest.approx(mean, abs=1e-3)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr(netcdf_file, "find_spec", lambda _: None)
    with pytest.raises(BackendError, match=r"vbpi_mix\[netcdf\]"):
        netcdf_file.require_netcdf()


def test_a_place_that_cannot_be_written(written, tmp_path):
    run, stream, _ = written
    with pytest.raises(InputError, match="cannot write"):
        write_netcdf(
            stream, summarise_stream(stream), rank_topologies(stream), run.problem.model, tmp_path / "absent" / "x.nc"
        )
