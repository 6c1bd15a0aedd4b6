#!/usr/bin/env bash
# MrBayes 3.2.7a with BEAGLE 3.1.2 (Debian 12): computes in single precision unless told otherwise; its manual recommends
# that and has rescaling take care of underflow. Expected: log-likelihoods as in double precision, but for rounding.
# Seen: with 300 taxa and 300 sites a chain jumps to a log-likelihood that is more than a thousand units too high and
# never accepts another tree: all later samples are one and the same, without a word, and the run ends as usual. With
# `set beagleprecision=double`, which takes as long, it does not happen.
#
# Needs Debian 12 (apt-get download) and Python 3; takes some four minutes. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for package in mrbayes=3.2.7a-6 libhmsbeagle1v5=3.1.2+dfsg-13; do
    apt-get download "$package" > /dev/null 2>&1 || { echo "$package cannot be had here"; exit 2; }
done
for file in ./*.deb; do dpkg -x "$file" package; done
LD_LIBRARY_PATH=$(dirname "$(find "$work/package" -name 'libhmsbeagle.so*' | head -1)")
export LD_LIBRARY_PATH
python3 - <<'PYTHON'
import math
import random

taxa, sites, g = 300, 300, random.Random(1)


def changed(sequence, length):
    share = 1 - math.exp(-4 * length / 3)
    return "".join(g.choice("ACGT") if g.random() < share else base for base in sequence)


tips = ["".join(g.choices("ACGT", k=sites))] * 2
while len(tips) < taxa:
    i = g.randrange(len(tips))
    tips[i], new = changed(tips[i], g.expovariate(10)), changed(tips[i], g.expovariate(10))
    tips.append(new)
rows = "\n".join(f"t{i} {changed(tip, g.expovariate(10))}" for i, tip in enumerate(tips))
for precision in "single", "double":
    with open(f"{precision}.nex", "w") as file:
        file.write(f"""#NEXUS
begin data;
dimensions ntax={taxa} nchar={sites};
format datatype=dna;
matrix
{rows}
;
end;
begin mrbayes;
set autoclose=yes nowarn=yes seed=1 swapseed=1 beagleprecision={precision};
lset nst=2 rates=equal;
prset brlenspr=unconstrained:exp(10);
mcmcp ngen=80000 samplefreq=1000 printfreq=80000 diagnfreq=80000 nruns=2 nchains=4 file={precision};
mcmc;
end;
""")
PYTHON
for precision in single double; do package/usr/bin/mb "$precision.nex" > "$precision.log"; done
python3 - <<'PYTHON'
import sys

frozen = {}
for precision in "single", "double":
    for run in "run1", "run2":
        rows = [line.split("\t") for line in open(f"{precision}.{run}.p").read().splitlines()[2:]]
        values = [float(row[1]) for row in rows]
        same = next(i for i in range(len(values)) if values[-1 - i] != values[-1] or i + 1 == len(values))
        last = values[-1 - same] if same < len(values) else values[-1]
        frozen[precision, run] = same >= 10
        print(f"{precision} {run}: {last:.1f} before, {values[-1]:.1f} in the last {same} of {len(values)} samples")
wanted = any(frozen["single", run] for run in ("run1", "run2"))
sys.exit(0 if wanted and not any(frozen["double", run] for run in ("run1", "run2")) else "the behaviour has changed")
PYTHON
