#!/usr/bin/env bash
# IQ-TREE 2.0.7: TPM2 and TPM3 are documented with equal base frequencies (TPM2u and TPM3u being the unequal forms), as
# K81/K3P is beside K81u. Expected: `-m TPM2` and `-m TPM3` fix all four at 0.25. Seen: both take counted frequencies
# (reported as TPM2+F and TPM3+F), so that TPM2 and TPM2u are the same model; K3P is equal. Whoever copies a model name
# from the manual into another program gets another likelihood.
#
# Needs Debian 12 (apt-get download) and Python 3. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=2.0.7+dfsg-1
apt-get download "iqtree=$version" > /dev/null 2>&1 || { echo "iqtree $version cannot be had here"; exit 2; }
dpkg -x iqtree_*.deb package
program=$work/package/usr/bin/iqtree2
python3 - <<'PYTHON'
import random
random.seed(1)
root = random.choices("ACGT", weights=[5, 2, 2, 1], k=400)
with open("a.phy", "w") as file:
    file.write("5 400\n")
    for i in range(5):
        row = [random.choices("ACGT", weights=[5, 2, 2, 1])[0] if random.random() < 0.2 else x for x in root]
        file.write(f"taxon{i}  {''.join(row)}\n")
PYTHON
"$program" --version | head -1
status=0
for model in TPM2 TPM3 TPM2u K3P; do
    "$program" -s a.phy -m $model -pre $model -T 1 --seed 1 > /dev/null
    found=$(sed -n 's/^State frequencies: //p' $model.iqtree)
    printf '%-6s State frequencies: %s\n' $model "$found"
    wanted="(empirical counts from alignment)"
    [ $model = K3P ] && wanted="(equal frequencies)"
    [ "$found" = "$wanted" ] || status=1
done
[ $status = 0 ] || echo "the behaviour has changed"
exit $status
