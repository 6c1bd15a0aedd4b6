"""Candidate topologies from everywhere, through `load_candidates`."""

import numpy as np
import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.experiment import Silent, fit_folder, make_config
from vbpi_mix.experiment.candidates import load_candidates, make_sources, merge, on_taxa
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import collect, random_topologies
from vbpi_mix.phylo.distances import split_frequencies

SHORT = {"iterations": 20, "components": 2, "particles": 2, "seed": 5}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    alignment, trees = write_example(folder)
    fit_folder(make_config(alignment=str(alignment), trees=(str(trees),), model="JC69", **SHORT), folder / "run")
    return folder


def test_a_previous_run_gives_weighted_topologies(run):
    alignment = read_alignment(run / "example.fasta")
    config = make_config(alignment="example.fasta", trees=(str(run / "run"),), seed=3)
    sample = load_candidates(config, alignment, Silent())
    assert sample.taxa == alignment.taxa
    assert sample.weights.sum() == pytest.approx(1)
    assert sample.weights[0] > sample.weights[-1] > 0
    assert np.array_equal(load_candidates(config, alignment, Silent()).weights, sample.weights)


def test_taxa_in_another_order_are_found_by_name(run):
    given = read_alignment(run / "example.fasta")
    order = [3, 5, 0, 1, 4, 2]
    turned = type(given)(taxa=tuple(given.taxa[i] for i in order), state_sets=given.state_sets[order])
    config = make_config(alignment="example.fasta", trees=(str(run / "run"),), seed=3)
    straight, other = (load_candidates(config, a, Silent()) for a in (given, turned))
    assert other.taxa == turned.taxa
    assert np.array_equal(straight.weights, other.weights)
    back = on_taxa(other, given.taxa, "the run")
    assert np.array_equal(back.topologies.children, straight.topologies.children)
    a, b = (split_frequencies(s.topologies, s.weights) for s in (straight, back))
    assert a == b


def test_a_run_on_other_taxa_is_refused(run):
    given = read_alignment(run / "example.fasta")
    others = type(given)(taxa=("t0", "t1", "x", "t3", "t4", "t5"), state_sets=given.state_sets)
    config = make_config(alignment="example.fasta", trees=(str(run / "run"),))
    with pytest.raises(InputError, match=r"taxa .* it has 'taxon 2'"):
        load_candidates(config, others, Silent())


def test_sources_are_merged_and_count_alike(run):
    alignment = read_alignment(run / "example.fasta")
    both = (str(run / "candidates.nwk"), str(run / "run"))
    merged, files = (
        load_candidates(make_config(alignment="example.fasta", trees=t), alignment, Silent()) for t in (both, both[:1])
    )
    assert merged.n_trees == files.n_trees == 105
    assert merged.weights.sum() == pytest.approx(1)
    assert merged.weights.min() == pytest.approx(0.5 / 105)
    with pytest.raises(InputError, match="their taxa differ"):
        merge([files, collect("abcdef", random_topologies(2, 6, np.random.default_rng(1)))])


def test_what_cannot_be_a_source(run):
    with pytest.raises(InputError, match="no order"):
        make_sources(make_config(alignment="x", trees=(str(run / "run"),), burn_in=0.1))
    (source,) = make_sources(make_config(alignment="x", trees=(str(run),)))
    with pytest.raises(ConfigError, match="folder of a run"):
        source.check()
    (source,) = make_sources(make_config(alignment="x", trees=(str(run / "absent"),)))
    with pytest.raises(InputError, match="no such file"):
        source.check()
