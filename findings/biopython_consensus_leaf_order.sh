#!/usr/bin/env bash
# Biopython 1.88, Bio.Phylo.Consensus: majority_consensus and strict_consensus are documented to give the majority rule
# and the strict consensus of a set of trees. A clade is a set of leaves, so the order in which a Newick file names them
# cannot matter. Expected: a tree with clades ab, abc and one with ac, abc have only abc in common (cut-off 0.51); a
# tree and the same tree with its leaves turned round have all clades in common. Seen: each tree's leaves are numbered
# in that tree's own order and the numbers are compared. The first pair gives ab with 100 %, also in the strict
# consensus; the second pair gives a star tree. get_support in the same module counts both rightly (ab 50 %, 100 %).
# The leaves of the trees that MrBayes, BEAST or a bootstrap sample stand in an order that changes from tree to tree.
#
# Needs pip and the Python package index. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check biopython==1.88 2> /dev/null || exit 2
"$work/env/bin/python" - <<'PYTHON'
import io
import sys

import Bio
from Bio import Phylo
from Bio.Phylo import Consensus

print("Biopython", Bio.__version__)


def clades(tree):
    groups = ("".join(sorted(tip.name for tip in clade.get_terminals())) for clade in tree.get_nonterminals())
    return sorted(group for group in groups if len(group) < 5)


first = "(((a,b),c),d,e);"
seen = []
for second in ("(((a,c),b),d,e);", "(e,d,(c,(b,a)));"):
    trees = [Phylo.read(io.StringIO(text), "newick") for text in (first, second)]
    majority = Consensus.majority_consensus(trees, 0.51)
    strict = Consensus.strict_consensus(trees)
    support = {"".join(tip.name for tip in clade.get_terminals()): clade.confidence
               for clade in Consensus.get_support(trees[0], trees).get_nonterminals()}
    seen.append((clades(majority), clades(strict), support["ab"]))
    print(f"{first} and {second}: majority {seen[-1][0]}, strict {seen[-1][1]}, get_support of ab {support['ab']}")
if seen != [(["ab", "abc"], ["ab", "abc"], 50), ([], [], 100)]:
    sys.exit("the behaviour has changed")
PYTHON
