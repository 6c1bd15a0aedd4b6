"""Make data/protein_matrices.txt from the source package of Debian's IQ-TREE.

    apt-get source iqtree
    python data/protein_matrices.py IQ-TREE-2.0.7/model/modelprotein.cpp

Only the numbers are taken, as they are written there: published exchangeabilities and frequencies, the latter scaled by
IQ-TREE's authors to a sum of 1 where they were printed with rounding errors.
"""

import re
import sys
from pathlib import Path

from vbpi_mix.io.files import atomic_write

NAMES = (
    "LG", "WAG", "JTT", "JTTDCMut", "Dayhoff", "DCMut", "VT", "Blosum62", "PMB", "cpREV", "mtREV", "mtMAM", "mtART",
    "mtZOA", "rtREV", "HIVb", "HIVw", "FLU",
)  # fmt: skip
HEADER = """\
# Empirical matrices of amino-acid substitution: for each, 19 rows of exchangeabilities (lower triangle) and a row of
# frequencies, amino acids in the order A R N D C Q E G H I L K M F P S T W Y V.
# Source: Debian source package iqtree 2.0.7+dfsg, file model/modelprotein.cpp (GPL-2.0-or-later), whose archive
# iqtree_2.0.7+dfsg.orig.tar.xz has the SHA-256 95a3a9c3b32aeb8caa63307808fed7fad68f20f877f3fe5fe751af1d49cbdb86.
# Made by data/protein_matrices.py; the numbers are as they are written there. See docs/models.md for references.
"""


def convert(source: Path, target: Path) -> None:
    """Write the matrices of `NAMES`."""
    text = source.read_text(encoding="utf-8", errors="replace")
    found = {}
    for name, body in re.findall(r"^model (\S+)=\n(.*?);", text, re.MULTILINE | re.DOTALL):
        rows = [line.split() for line in body.strip().splitlines() if line.strip()]
        if [len(row) for row in rows] == [*range(1, 20), 20]:
            found[name.upper()] = rows
    with atomic_write(target) as out:
        out.write(HEADER)
        for name in NAMES:
            out.write(f"\n{name}\n")
            out.writelines(" ".join(row) + "\n" for row in found[name.upper()])


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(__file__).parent / "protein_matrices.txt")
