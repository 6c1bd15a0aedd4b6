#!/usr/bin/env bash
# IQ-TREE 2.0.7: reads "RAxML-style" partition files. RAxML 8.2.12 stops on a file that leaves sites of the alignment in
# no partition ("Alignment Position: 251 has not been assigned any model"). Expected: the same, or at least a warning.
# Seen: the last 50 of 300 sites are left out of the analysis, exit status 0, and no word of it on the screen or in the
# report, which names 250 sites. A range mistyped in a partition file thus drops data that RAxML would not let pass.
#
# Needs Debian 12 (apt-get download) and Python 3. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for package in iqtree=2.0.7+dfsg-1 raxml=8.2.12+dfsg-8+b2; do
    apt-get download "$package" > /dev/null 2>&1 || { echo "$package cannot be had here"; exit 2; }
done
for file in ./*.deb; do dpkg -x "$file" package; done
python3 - <<'PYTHON'
import random
random.seed(4)
root = random.choices("ACGT", k=300)
with open("a.phy", "w") as file:
    file.write("5 300\n")
    for name in "abcde":
        file.write(name + "  " + "".join(random.choice("ACGT") if random.random() < 0.25 else x for x in root) + "\n")
PYTHON
printf 'DNA, first = 1-100\nDNA, second = 101-250\n' > part.txt
status=0
raxml=$(ls package/usr/bin/raxmlHPC-PTHREADS-SSE3)
"$raxml" -T 2 -s a.phy -q part.txt -m GTRGAMMA -p 1 -n r > raxml.out 2>&1 && status=1
grep -m 1 "has not been assigned" raxml.out || status=1
package/usr/bin/iqtree2 -s a.phy -p part.txt -m JC -T 1 --seed 1 -pre iq > iq.out 2>&1 || status=1
grep "^Input data" iq.iqtree || status=1
grep -q "with 2 partitions and 250 total sites" iq.iqtree || status=1
words=$(grep -ciE "unassigned|not assigned|not in any|not cover|not belong" iq.out iq.iqtree | paste -sd ' ') || true
echo "lines of IQ-TREE that speak of such sites: $words"
[ "$words" = "iq.out:0 iq.iqtree:0" ] || status=1
[ $status = 0 ] || echo "the behaviour has changed"
exit $status
