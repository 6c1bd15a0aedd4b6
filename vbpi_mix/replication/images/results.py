"""Records of the image benchmark, and published values beside them."""

import csv
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vbpi_mix.damage import reading
from vbpi_mix.errors import InputError
from vbpi_mix.io.datasets import data_folder
from vbpi_mix.replication.images.config import ImageRow

SOURCE = "Hotti et al., Efficient Mixture Learning in Black-Box Variational Inference, ICML 2024"
_ROW_KEYS = ("model", "decoder", "estimator", "n_sampled", "n_components")


@dataclass(frozen=True, kw_only=True)
class ImageGroup:
    """All seeds of one row.

    Arguments:
        data: name of the set of images.
        row: the row that was trained.
        records: records of the seeds, by seed.
    """

    data: str
    row: ImageRow
    records: dict[int, dict[str, Any]]

    def values(self, key: str, mode: str = "likelihood") -> list[float]:
        """A number of every seed: of the record, or of one mode of its evaluation."""
        results = [record["result"] for record in self.records.values()]
        return [r[mode][key] if key in r.get(mode, {}) else r[key] for r in results]

    def has(self, mode: str) -> bool:
        return all(mode in record["result"] for record in self.records.values())

    def mean(self, key: str, mode: str = "likelihood") -> float:
        return statistics.mean(self.values(key, mode))

    def nll(self, mode: str = "likelihood") -> float:
        """Pooled negative log-likelihood, nats per image, mean over seeds."""
        return -self.mean("pooled", mode)

    def error(self, mode: str = "likelihood") -> float:
        """Standard error of `nll`: that of the test images, shared by the seeds, and that of the seeds."""
        images = self.mean("pooled_se", mode)
        values = self.values("pooled", mode)
        seeds = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        return math.hypot(images, seeds)

    def side(self) -> int:
        """Pixels per side."""
        return next(iter(self.records.values()))["config"]["side"]

    def dimensions(self) -> int:
        """Numbers in an image."""
        return self.side() ** 2 * (3 if self.data == "cifar10" else 1)

    def bits(self, nats: float) -> float:
        """Bits per dimension."""
        return nats / (self.dimensions() * math.log(2))


def is_images_folder(folder: Path) -> bool:
    """Whether the first record of a benchmark's folder is one of images."""
    for path in sorted((folder / "models").glob("*.json")):
        try:
            with reading(path, InputError, "no record"):
                return json.loads(path.read_text(encoding="utf-8"))["config"].get("benchmark") == "images"
        except InputError:  # who renders the folder names the file
            return False
    return False


def load_image_groups(folder: Path) -> list[ImageGroup]:
    """The records of a folder, by data and row, in the order of data, decoder, model, estimator, S and A.

    Raises:
        InputError: a file that is no record, or records made with other settings than the first.
    """
    found: dict[tuple[str, ImageRow], dict[int, dict[str, Any]]] = {}
    common: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "models").glob("*.json")):
        with reading(path, InputError, "no record of the image benchmark; delete it to make it anew"):
            record = json.loads(path.read_text(encoding="utf-8"))
            config = record["config"]
            row = ImageRow(**{key: config[key] for key in _ROW_KEYS})
            _ = record["result"]["likelihood"], record["provenance"]
            data, seed = config["data"], config["seed"]
        shared = {k: v for k, v in config.items() if k not in (*_ROW_KEYS, "seed")}
        if common.setdefault(data, shared) != shared:
            raise InputError(f"{path} was made with other settings than the records before it: render them apart")
        found.setdefault((data, row), {})[seed] = record
    if not found:
        raise InputError(f"{folder} has no records in models/")
    groups = [ImageGroup(data=data, row=row, records=seeds) for (data, row), seeds in found.items()]
    order = ("valid", "published")
    return sorted(
        groups,
        key=lambda g: (
            g.data, order.index(g.row.decoder), g.row.model, g.row.estimator, g.row.n_sampled, g.row.n_components,
        ),
    )  # fmt: skip


def paired_difference(a: ImageGroup, b: ImageGroup, mode: str = "likelihood") -> tuple[float, float, int]:
    """NLL of the first minus that of the second over the seeds that both have, its standard error, and their number.

    Differences are taken image by image, as all models of a folder are tested on the same ones, then averaged over
    seeds; the error is that of the images, with that of the seeds if there are several.
    """
    seeds = sorted(a.records.keys() & b.records.keys())
    if not seeds:
        return math.nan, math.nan, 0
    by_seed = []
    for seed in seeds:
        x, y = (g.records[seed]["result"][mode]["pooled_by_image"] for g in (a, b))
        by_seed.append([v - u for u, v in zip(x, y, strict=True)])
    by_image = [statistics.mean(values) for values in zip(*by_seed, strict=True)]
    error = statistics.stdev(by_image) / math.sqrt(len(by_image))
    if len(seeds) > 1:
        means = [statistics.mean(values) for values in by_seed]
        error = math.hypot(error, statistics.stdev(means) / math.sqrt(len(means)))
    return statistics.mean(by_image), error, len(seeds)


def published_rows(table: str) -> Sequence[dict[str, str]]:
    """The lines of `data/published/TABLE.csv`."""
    with (data_folder() / "published" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def published_mnist_nll(row: ImageRow) -> float | None:
    """Table 1's value of a MISVAE row, nats."""
    name = f"MISVAE {row.estimator.upper()} (A={row.n_components}, S={row.n_sampled})"
    values = [float(line["nll"]) for line in published_rows("table1_mnist") if line["model"] == name]
    return values[0] if values and row.model == "misvae" else None


def published_fid(row: ImageRow) -> float | None:
    """Table 2's FID; its S = A = 4 is called S2A there."""
    for line in published_rows("table2_fid"):
        if (int(line["A"]), int(line["S"])) == (row.n_components, row.n_sampled) and row.model == "misvae":
            return float(line["fid"]) if row.estimator != "s2s" else None
    return None


def published_cifar_bpd(row: ImageRow) -> float | None:
    """Table 4's bits per dimension."""
    name = f"MISVAE {row.estimator.upper()} (A={row.n_components}, S={row.n_sampled})"
    values = [float(line["bpd"]) for line in published_rows("table4_cifar10") if line["model"] == name]
    return values[0] if values else None
