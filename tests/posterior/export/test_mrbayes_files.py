"""Exports in MrBayes's form, read back and summed up by MrBayes itself."""

import csv
import subprocess

import numpy as np
import pytest

from tests.experiment.simulated import simulate
from tests.posterior.export.round_trips import PARAMETERS, PLAIN_NAMES, dendropy_list, whole, write_all


def test_trprobs_in_the_form_of_mrbayes(tmp_path):
    _, ranking, *_ = write_all(tmp_path, PLAIN_NAMES)
    lines = [line.strip() for line in (tmp_path / "x.trprobs").read_text().splitlines() if line.startswith("\ttree ")]
    first = ranking.probability[0]
    assert lines[0].startswith(f"tree tree_1 [p = {first:.3f}, P = {first:.3f}] = [&W ")
    assert "P = 1.000]" in lines[-1]
    trees = dendropy_list(tmp_path / "x.trprobs")
    assert [tree.weight for tree in trees] == pytest.approx(ranking.probability.tolist(), abs=1e-9)


def test_the_table_of_mrbayes_has_the_parameters_after_the_tree_length(tmp_path):
    stream, *_ = write_all(tmp_path, PLAIN_NAMES, parameters=PARAMETERS)
    identity, *lines = (tmp_path / "x.p").read_text().splitlines()
    assert identity.startswith("[ID: ")
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert list(rows[0]) == ["Gen", "LnL", "LnPr", "TL", *PARAMETERS]
    found = np.array([[float(row[name]) for name in PARAMETERS] for row in rows])
    np.testing.assert_allclose(found, whole(stream).parameters, rtol=1e-8)


@pytest.mark.external("mb")
def test_mrbayes_sumt_and_sump_agree(tmp_path):
    names = ("Homo_sapiens", "Pan", "M-mulatta", "t.4", "t5", "t6", "t7")
    stream, ranking, splits, consensus, _ = write_all(tmp_path, names, n_trees=200, parameters=PARAMETERS)
    chunk = whole(stream)
    rows = simulate(next(iter(chunk.topologies)), chunk.branch_lengths[0], 20, seed=1)
    matrix = "\n".join(f"{name} {''.join(row)}" for name, row in zip(names, rows, strict=True))
    (tmp_path / "data.nex").write_text(
        f"#NEXUS\nbegin data;\ndimensions ntax=7 nchar=20;\nformat datatype=dna;\nmatrix\n{matrix}\n;\nend;\n"
    )
    options = "nruns=1 relburnin=no burnin=0"
    sumt = f"sumt filename=x ntrees=1 {options} minpartfreq=0 outputname=mb;"
    commands = (
        f"set autoclose=yes nowarn=yes;\nexecute data.nex;\n{sumt}\nsump filename=x {options} outputname=mb;\nquit;\n"
    )
    result = subprocess.run(
        ["mb"], input=commands, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (tmp_path / "mb.tstat").is_file(), result.stdout[-2000:]
    theirs = mrbayes_splits(tmp_path, names)
    ours = {frozenset(splits.members(i)): splits.frequency[i] for i in range(splits.n_splits)}
    assert {s: x["prob"] for s, x in theirs.items() if "prob" in x} == pytest.approx(ours, abs=1e-6)
    for node, words in enumerate(consensus.tree.clades()[:-1]):
        members = [n for k, n in enumerate(names) if int(words[0]) >> k & 1]
        found = theirs[frozenset(set(names) - set(members) if names[0] in members else members)]
        assert found["Mean"] == pytest.approx(consensus.tree.lengths[node], rel=1e-5)
        assert found["Median"] == pytest.approx(
            consensus.medians[node], rel=0.05
        )  # it takes one of the two middle ones
    theirs = dendropy_list(tmp_path / "mb.trprobs")
    assert [tree.weight for tree in theirs] == pytest.approx(ranking.probability.tolist(), abs=1e-6)
    parameters = [line.split("\t") for line in (tmp_path / "mb.pstat").read_text().splitlines()[1:]]
    means = {row[0]: float(row[1]) for row in parameters}
    assert means["TL"] == pytest.approx(chunk.branch_lengths.sum(axis=1).mean(), rel=1e-6)
    for name, values in zip(PARAMETERS, chunk.parameters.T, strict=True):
        assert means[name] == pytest.approx(values.mean(), rel=1e-6)


def mrbayes_splits(folder, names):
    """{side without the first taxon: numbers} from the tables that sumt writes."""
    patterns = dict(line.split()[:2] for line in (folder / "mb.parts").read_text().splitlines()[1:])
    sides = {}
    for number, pattern in patterns.items():
        inside = {name for name, mark in zip(names, pattern, strict=True) if mark == "*"}
        sides[number] = frozenset(set(names) - inside if names[0] in inside else inside)
    found = {side: {} for side in sides.values()}
    for line in (folder / "mb.tstat").read_text().splitlines()[1:]:
        row = line.split()
        found[sides[row[0]]]["prob"] = float(row[2])
    table = [line.split("\t") for line in (folder / "mb.vstat").read_text().splitlines() if line[0] != "["]
    for row in table[1:]:
        entry = dict(zip(table[0], row, strict=False))
        number = entry["Parameter"].split("[")[-1].rstrip("]")
        if number in sides:
            found[sides[number]] |= {"Mean": float(entry["Mean"]), "Median": float(entry["Median"])}
    return found
