#!/usr/bin/env bash
# treeswift 1.1.51: Tree.gamma_statistic() is documented as "the Gamma statistic of Pybus and Harvey (2000)", whose sums
# run over the times BETWEEN successive nodes. Expected, for a tree with nodes at 0, 0.5, 1, 2.5, 3 and 4 from the root
# and leaves at 5: -1.29099, worked out below, as DendroPy 5.0.8 says (and ape 5.7's gammaStat). Seen: -1.89545: the
# node times themselves, distances from the root, stand where the intervals belong. At -1.645 the one-sided test of a
# constant rate of branching is rejected at 5 %, so here the answer of the test changes.
#
# Needs pip and the Python package index. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check treeswift==1.1.51 dendropy==5.0.8 2> /dev/null || exit 2
"$work/env/bin/python" - <<'PYTHON'
import sys

import dendropy
import treeswift
from dendropy.calculate import treemeasure

newick = "((((a:1,b:1):1,c:2):2,d:4):1,((e:2.5,f:2.5):2,g:4.5):0.5);"
nodes, leaves = [0, 0.5, 1, 2.5, 3, 4], 5
gaps = [later - earlier for earlier, later in zip(nodes, nodes[1:] + [leaves])]  # with 2, 3, ... lineages
n = len(gaps) + 1
sums = [sum((k + 2) * gap for k, gap in enumerate(gaps[:i + 1])) for i in range(len(gaps))]
by_hand = (sum(sums[:-1]) / (n - 2) - sums[-1] / 2) / (sums[-1] * (1 / (12 * (n - 2))) ** 0.5)
peer = treemeasure.pybus_harvey_gamma(dendropy.Tree.get(data=newick, schema="newick"))
seen = treeswift.read_tree_newick(newick).gamma_statistic()
print(f"by the formula {by_hand:.5f}, DendroPy {peer:.5f}, treeswift {seen:.5f}")
if abs(by_hand - peer) > 1e-9:
    sys.exit("the formula and DendroPy differ")
if abs(seen + 1.89545) > 1e-5:
    sys.exit("the behaviour has changed")
PYTHON
