"""An alignment with awkward names, and programs made up for a test."""

import sys

import numpy as np

from vbpi_mix.phylo import Alignment

NAMES = ("it's a name", "(b):c", "d[e], f", "g;", "h i", "j", "k_l", "'m'")


def tree_alignment(n_sites=120, seed=1):
    """Eight sequences with odd names, three of them equal; the split {0..3}|{4..7} is plain to see."""
    rng = np.random.default_rng(seed)
    states = np.array([1, 2, 4, 8], dtype=np.uint8)
    ancestors = states[rng.integers(4, size=(2, n_sites))]
    rows = np.repeat(ancestors, 4, axis=0)
    for row in (0, 1, 2, 4, 5):
        changed = rng.random(n_sites) < 0.1
        rows[row, changed] = states[rng.integers(4, size=changed.sum())]
    rows[6] = rows[7] = rows[5]
    rows[0, :3] = 15, 5, 10
    return Alignment(taxa=NAMES, state_sets=rows)


def executable(path, code):
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)
