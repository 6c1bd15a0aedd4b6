#!/usr/bin/env bash
# IQ-TREE 2.0.7: `-rf_all FILE` gives the Robinson-Foulds distance of all pairs of trees in a file; with 5 leaves an
# unrooted tree has 2 inner branches at most and a rooted one 3. Expected for a tree drawn with a root (two branches at
# the base) and the same tree without: 0 as unrooted trees, 1 if the root counts, or an error. Seen: 16, with exit
# status 0 and no warning. The distance of two rooted trees also depends on what stands before them in the file: 2 by
# themselves, 6 behind an unrooted tree. A sample of BEAST (rooted) compared with a tree of IQ-TREE itself (unrooted)
# or MrBayes' gives such numbers; with the roots taken away the same trees give 0 and 2.
#
# Needs Debian 12 (apt-get download). Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=2.0.7+dfsg-1
apt-get download "iqtree=$version" > /dev/null 2>&1 || { echo "iqtree $version cannot be had here"; exit 2; }
dpkg -x iqtree_*.deb package
program=$work/package/usr/bin/iqtree2
"$program" --version | head -1
rooted="((a,b),((c,d),e));"      # clades ab, cd, cde
unrooted="(a,b,((c,d),e));"      # the same without its root
other="((a,b),((c,e),d));"       # clades ab, ce, cde
other_unrooted="(a,b,((c,e),d));"
distances() {  # name, trees
    local name=$1
    shift
    printf '%s\n' "$@" > "$name.nwk"
    "$program" -rf_all "$name.nwk" -pre "$name" > "$name.out"
    tail -n 2 "$name.rfdist" | head -1 | tr -s ' ' | sed 's/^Tree[0-9]* //; s/ $//'
}
mixed=$(distances mixed "$rooted" "$unrooted")
alone=$(distances alone "$rooted" "$other")
beside=$(distances beside "$unrooted" "$rooted" "$other")
bare=$(distances bare "$unrooted" "$unrooted" "$other_unrooted")
echo "rooted and the same unrooted: $mixed"
echo "two rooted trees:             $alone"
echo "after an unrooted one:        $beside"
echo "all unrooted:                 $bare"
[ "$mixed/$alone/$beside/$bare" = "0 16/0 2/16 0 6/0 0 2" ] || { echo "the behaviour has changed"; exit 1; }
