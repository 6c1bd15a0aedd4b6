#!/usr/bin/env bash
# Biopython 1.88, Bio.Phylo, Newick: a comment in brackets may stand between any two tokens. BEAST's page on its tree
# format (beast.community/nexus_metacomments) puts the attributes of a branch after the colon, and Biopython keeps
# comments (clade.comment). Expected: the leaf "b:[&rate=0.5]2" has name b, length 2. Seen: its name is "2" and it has
# no length, without a warning; the length of an inner branch becomes the support of its node. The same comment before
# the colon ("b[&rate=0.5]:2") is read rightly; DendroPy 5.0.8 and treeswift 1.1.51 read both alike.
#
# Needs pip and the Python package index. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check biopython==1.88 dendropy==5.0.8 treeswift==1.1.51 \
    2> /dev/null || exit 2
"$work/env/bin/python" - <<'PYTHON'
import io
import sys

import Bio
import dendropy
import treeswift
from Bio import Phylo

print("Biopython", Bio.__version__)
seen = {}
for place, text in (("before", "((a[&rate=1]:0.5,b[&rate=0.5]:2)[&rate=3]:7,c[&rate=1]:3);"),
                    ("after", "((a:[&rate=1]0.5,b:[&rate=0.5]2):[&rate=3]7,c:[&rate=1]3);")):
    tree = Phylo.read(io.StringIO(text), "newick")
    tips = [(tip.name, tip.branch_length) for tip in tree.get_terminals()]
    inner = [(clade.name, clade.branch_length, clade.confidence) for clade in tree.get_nonterminals()][1:]
    seen[place] = tips
    print(f"{place} the colon: Biopython leaves {tips}, inner (name, length, support) {inner}")
    other = dendropy.Tree.get(data=text, schema="newick")
    third = treeswift.read_tree_newick(text)
    for name, found in (("DendroPy", [(n.taxon.label, n.edge_length) for n in other.leaf_node_iter()]),
                        ("treeswift", [(n.label, n.edge_length) for n in third.traverse_leaves()])):
        print(f"    {name} leaves {found}")
        if sorted(found) != [("a", 0.5), ("b", 2), ("c", 3)]:
            sys.exit("another reader has changed")
if seen["before"] != [("a", 0.5), ("b", 2), ("c", 3)] or seen["after"] != [("0.5", None), ("2", None), ("3", None)]:
    sys.exit("the behaviour has changed")
PYTHON
