"""Make data/alignments/DS1.fasta ... DS8.fasta from the NEXUS files of Debian's beast2-mcmc-examples.

    python data/convert.py FOLDER

FOLDER holds testHKY336.nex.gz and the others, in the package at /usr/share/doc/beast2-mcmc/examples/benchmark/mrbayes.
Letters become upper case and U becomes T; gaps, missing data, names and the order of the rows stay as they are.
"""

import sys
from pathlib import Path

from vbpi_mix.io.alignments import fasta_lines
from vbpi_mix.io.files import atomic_write, read_text
from vbpi_mix.io.nexus_matrix import parse_nexus_matrix

FILE_OF = {
    "DS1": "testHKY336.nex.gz",
    "DS2": "testHKY501.nex.gz",
    "DS3": "testHKY1510.nex.gz",
    "DS4": "testHKY1366.nex.gz",
    "DS5": "testHKY3475.nex.gz",
    "DS6": "testHKY1044.nex.gz",
    "DS7": "testHKY1809.nex.gz",
    "DS8": "testHKY755.nex.gz",
}


def convert(source: Path, target: Path) -> None:
    """Write one NEXUS alignment as FASTA."""
    with atomic_write(target) as out:
        for name, sequence in parse_nexus_matrix(read_text(source), str(source)).rows:
            out.writelines(fasta_lines(name, sequence.upper().replace("U", "T")))


def main(folder: Path) -> None:
    """Convert all eight files of a folder."""
    target = Path(__file__).resolve().parent / "alignments"
    target.mkdir(exist_ok=True)
    for name, file in FILE_OF.items():
        convert(folder / file, target / f"{name}.fasta")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
