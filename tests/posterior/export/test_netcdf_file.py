"""The NetCDF file read with h5netcdf alone, and with xarray and ArviZ where they are installed."""

import numpy as np
import pytest

from tests.experiment.simulated import fitted_example
from vbpi_mix.errors import BackendError, InputError
from vbpi_mix.posterior import PosteriorDraws, rank_topologies, stream_draws, summarise_stream
from vbpi_mix.posterior.export import netcdf_file
from vbpi_mix.posterior.export.netcdf_file import write_netcdf
from vbpi_mix.posterior.export.streaming import stream_resampled, stream_weighted

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


@pytest.fixture(scope="module")
def inferred(tmp_path_factory):
    folder, run = tmp_path_factory.mktemp("nc_hky"), fitted_example(model="HKY+G4")
    stream = stream_resampled(run.problem, run.inputs.taxa, 300, seed=1, stream=3, folder=folder)
    write_netcdf(stream, summarise_stream(stream), rank_topologies(stream), run.problem.model, folder / "x.nc")
    return run, stream, folder / "x.nc"


def test_parameters_are_variables_with_coordinates(inferred):
    _, stream, path = inferred
    chunk = stream.take(np.arange(300))
    with h5netcdf.File(path) as file:
        posterior = file["posterior"]
        np.testing.assert_array_equal(posterior["kappa"][0], chunk.parameters[:, 0])
        assert posterior["pi"].dimensions == ("chain", "draw", "state")
        assert [x.decode() for x in posterior["state"][:]] == ["A", "C", "G", "T"]
        np.testing.assert_array_equal(posterior["pi"][0], chunk.parameters[:, 1:5])
        np.testing.assert_array_equal(posterior["alpha"][0], chunk.parameters[:, 5])
        total = file["log_likelihood"]["alignment"][0] @ file["constant_data"]["pattern_count"][:]
        np.testing.assert_allclose(total, chunk.log_likelihood, rtol=1e-10)


def test_arviz_summarises_parameters(inferred):
    arviz = pytest.importorskip("arviz", reason="ArviZ is not installed")
    _, stream, path = inferred
    summary = arviz.summary(arviz.from_netcdf(str(path)), var_names=["kappa", "pi"], round_to=8)
    means = stream.take(np.arange(300)).parameters[:, :5].mean(axis=0)
    assert list(summary.index) == ["kappa", "pi[A]", "pi[C]", "pi[G]", "pi[T]"]
    assert summary["mean"].astype(float).to_numpy() == pytest.approx(means, rel=1e-5)


def test_draws_without_coordinates_have_no_site_likelihoods(inferred, tmp_path):
    run, stream, _ = inferred
    chunk = stream.take(np.arange(5))
    draws = PosteriorDraws(
        taxa=run.inputs.taxa,
        topologies=chunk.topologies,
        branch_lengths=chunk.branch_lengths,
        log_weights=np.zeros(5),
        components=chunk.components,
        parameters=chunk.parameters,
        parameter_names=stream.parameter_names,
    )
    again = stream_draws(draws, chunk.log_likelihood, chunk.log_prior)
    with pytest.raises(InputError, match="coordinates"):
        write_netcdf(again, summarise_stream(again), rank_topologies(again), run.problem.model, tmp_path / "x.nc")
    assert not list(tmp_path.iterdir())


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
