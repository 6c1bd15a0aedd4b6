"""Image sets of a few random images, written as IDX and CIFAR-10 files."""

import numpy as np

from tests.replication.images.test_formats import cifar, idx


def write_grey(folder, n=44, seed=1):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        blocks = np.kron(rng.integers(0, 256, (n, 7, 7)), np.ones((4, 4))).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(blocks))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(rng.integers(0, 10, n, dtype=np.uint8)))
    return folder


def write_colour(folder, n=40):
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in (("data_batch_1.bin", 1), ("test_batch.bin", 2)):
        (folder / name).write_bytes(cifar(n, seed=seed).tobytes())
    return folder
