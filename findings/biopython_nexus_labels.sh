#!/usr/bin/env bash
# Biopython 1.88, Bio.Phylo, NEXUS: a name with a blank stands in single quotes in a NEXUS file, and the quotes are not
# part of it. Expected: writing a tree with the leaf "Homo sapiens" quotes the name everywhere, and a name quoted in
# TRANSLATE is read without quotes, as Phylo reads it from a tree string. Seen: 1. it is quoted in the tree but not in
# TAXLABELS, so that NTAX=3 announces three names and four words follow; DendroPy 5.0.8 refuses the
# file for it. 2. From TRANSLATE it is read with its quotes, as "'Homo sapiens'", so that one leaf has
# two names and a sample with a table does not match a tree without; DendroPy reads Homo sapiens from both.
#
# Needs pip and the Python package index. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check biopython==1.88 dendropy==5.0.8 2> /dev/null || exit 2
env/bin/python - <<'PYTHON'
import io
import sys

import Bio
import dendropy
from Bio import Phylo

print("Biopython", Bio.__version__)
tree = Phylo.read(io.StringIO("('Homo sapiens':1,Pan:1,Gorilla:2);"), "newick")
Phylo.write(tree, "written.nex", "nexus")
text = open("written.nex").read()
labels = next(line.strip() for line in text.splitlines() if "TaxLabels" in line)
print("written:", labels, "|", next(line.strip() for line in text.splitlines() if "Tree tree1" in line))
table = """#NEXUS
begin trees;
    translate
        1 'Homo sapiens',
        2 Pan,
        3 Gorilla;
    tree t = [&U] (1:1,2:1,3:2);
end;
"""
names = [tip.name for tip in Phylo.read(io.StringIO(table), "nexus").get_terminals()]
plain = [tip.name for tip in tree.get_terminals()]
peer = [leaf.taxon.label for leaf in dendropy.Tree.get(data=table, schema="nexus").leaf_node_iter()]
print("read by a table:", names, " without:", plain, " DendroPy by the table:", peer)
try:
    dendropy.Tree.get(path="written.nex", schema="nexus")
    sys.exit("DendroPy reads the file now")
except dendropy.utility.error.DataParseError as error:
    print("DendroPy on the written file:", error)
if (labels, names[0], plain[0], peer[0]) != ("TaxLabels Homo sapiens Pan Gorilla;", "'Homo sapiens'", "Homo sapiens",
                                             "Homo sapiens"):
    sys.exit("the behaviour has changed")
PYTHON
