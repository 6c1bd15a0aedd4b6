"""Damaged and invented files: every reader gives a value or a package error, in little time.

`VBPI_MIX_FUZZ_SECONDS` says for how long (8 if not set); `python -m tests.fuzz.run --inputs 1000000` goes on.
"""

import os
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import TAXA
from tests.fuzz.mutate import mutate
from tests.fuzz.readers import Reader
from tests.fuzz.run import Outcome, describe, fuzz, try_one
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.io.nexus_text import blocks
from vbpi_mix.io.trees import read_trees
from vbpi_mix.model import parse_model

SECONDS = float(os.environ.get("VBPI_MIX_FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("VBPI_MIX_FUZZ_SEED", "1"))

NEWICK = st.lists(
    st.sampled_from(
        [
            "(",
            ")",
            ",",
            ":",
            ";",
            "A",
            "B",
            "C",
            "D",
            "E",
            "F",
            "'",
            '"',
            "[",
            "]",
            "<x=1>",
            "<",
            ">",
            "0.1",
            "-1e-20",
            "-1",
            "nan",
            "[&W 0.5]",
            "[0.5]",
            " ",
            "\n",
            "#NEXUS",
            "begin trees;",
            "tree a=",
            "end;",
            "translate 1 A;",
        ]
    ),
    max_size=40,
).map("".join)
NEXUS = st.lists(
    st.sampled_from(
        [
            "begin data;",
            "begin taxa;",
            "begin sets;",
            "begin mrbayes;",
            "end;",
            "end",
            ";",
            "dimensions ntax=4 nchar=2;",
            "format datatype=dna interleave;",
            "format nolabels;",
            "matrix a AC b AG c AT d GG",
            "matrix",
            "a AC\n",
            "b AC\n",
            "c {AG}C\n",
            "d AC\n",
            "taxlabels a b c d;",
            "link taxa=x;",
            "title x;",
            "exclude 1;",
            "exset * x=1-2;",
            "delete a;",
            "delete 1-3;",
            "restore 1;",
            "charset one = 1;",
            "[",
            "]",
            "'",
            "\n",
            "lset nst=6;",
            "eliminate 2;",
        ]
    ),
    max_size=25,
).map(lambda parts: "#NEXUS\n" + "".join(parts))


def test_damaged_files():
    outcome = fuzz(SEED, seconds=SECONDS)
    assert not outcome.failures, describe(outcome, SEED)
    assert all(outcome.read[name] for name in outcome.inputs), "a reader that reads nothing is not tested"


def test_the_harness_sees_other_errors(tmp_path):
    def fail(path):
        raise KeyError(path)

    outcome = Outcome()
    try_one("x", Reader(fail, {}), b"", tmp_path, outcome)
    assert "KeyError" in outcome.failures[0][2]


def test_damage_is_reproducible():
    data = [b"(A,B,(C,D));\n" * 3, b"#NEXUS\n"]
    once, again = ([mutate(data[0], data, random.Random(i)) for i in range(50)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 40


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "input"


@settings(max_examples=300)
@given(text=NEWICK)
def test_invented_trees(path, text):
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sample = read_trees([path], TAXA)
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert sample.taxa == TAXA
            assert (sample.weights > 0).all()
            for topology in sample.topologies:
                assert parse_newick(topology.newick(TAXA), TAXA)[0].children.tolist() == topology.children.tolist()
        try:
            topology, lengths = parse_newick(text, TAXA)
        except InputError as error:
            assert str(error).startswith("tree")  # noqa: PT017
            return
    assert topology.n_taxa == len(TAXA)
    assert lengths is None or (np.isfinite(lengths).all() and (lengths >= 0).all())


@settings(max_examples=300)
@given(text=NEWICK.filter(lambda text: "#" not in text and "translate" not in text))
def test_the_fast_reader_reads_what_the_careful_one_reads(path, text):
    """Of one tree without a weight both make the same topology, or an error."""
    path.write_text(text + ";")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sample = read_trees([path], TAXA)
        except InputError:
            return
        if sample.n_trees == 1 and sample.weights.tolist() == [1.0] and text.count(";") == 0:
            try:
                topology, _ = parse_newick(text, TAXA)
            except InputError as error:
                assert "length" in str(error), "only lengths are no concern of the fast reader"  # noqa: PT017
                return
            assert next(iter(sample.topologies)).newick(TAXA) == topology.newick(TAXA)


@settings(max_examples=300)
@given(text=NEXUS)
def test_invented_alignments(path, text):
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            alignment = read_alignment(path)
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017
            return
    assert alignment.n_taxa >= 4
    assert blocks(text, "x")


@settings(max_examples=200)
@given(text=st.text(alphabet="GTRHKYJCFOUIQ+{}.,/0123456789AMm ", max_size=40), infer=st.booleans())
def test_invented_models(text, infer):
    try:
        model = parse_model(text, infer=infer)
    except ConfigError:
        return
    assert parse_model(str(model), infer=True) == model
