"""Published values of Table 3, which ours are held against."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from vbpi_mix.estimators import Estimator
from vbpi_mix.io.datasets import data_folder
from vbpi_mix.replication.table3.rows import Table3Row

SOURCE = "Hotti et al., Efficient Mixture Learning in Black-Box Variational Inference, ICML 2024, Table 3"
ELBO_SOURCE = "VBPI with a single SBN, as quoted in the second table of PhyloGen"
_MODELS, _MRBAYES = "VBPI-mixture", "MrBayes_SS"


@dataclass(frozen=True, kw_only=True)
class PublishedValue:
    """A negative marginal log-likelihood in nats, and the standard deviation printed in brackets."""

    nll: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class Published:
    """All published values, by the names of the data sets.

    Arguments:
        models: values of each row, 100 estimates from 1,000 samples per component for each of three trained models.
        mrbayes: value of stepping stones with MrBayes.
        elbo: ELBO(1) of a single SBN (`ELBO_SOURCE`), nats.
        costs: (p, q) milliseconds of one evaluation on an i5-1130G7.
    """

    models: Mapping[tuple[str, Table3Row], PublishedValue]
    mrbayes: Mapping[str, PublishedValue]
    elbo: Mapping[str, float]
    costs: Mapping[str, tuple[float, float]]


def load_published() -> Published:
    """Read the CSV files of `data/published`."""
    models, mrbayes = {}, {}
    for line in _lines("table3.csv"):
        value = PublishedValue(nll=float(line["nll"]), sd=float(line["nll_sd"]))
        if line["method"] == _MODELS:
            estimator = cast(Estimator, line["estimator"].lower())
            row = Table3Row(estimator=estimator, n_components=int(line["A"]), n_sampled=int(line["S"]))
            models[line["dataset"], row] = value
        elif line["method"] == _MRBAYES:
            mrbayes[line["dataset"]] = value
    return Published(
        models=models,
        mrbayes=mrbayes,
        elbo={line["dataset"]: float(line["elbo"]) for line in _lines("elbo_sbn.csv")},
        costs={
            line["dataset"]: (float(line["runtime_p_ms"]), float(line["runtime_q_ms"]))
            for line in _lines("table3_datasets.csv")
        },
    )


def _lines(name: str) -> list[dict[str, str]]:
    with (data_folder() / "published" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
