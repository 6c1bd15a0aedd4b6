"""Results of the toy benchmark that were made up, so that every figure in a table is known."""

import torch

from vbpi_mix.replication.toy.config import make_toy_config
from vbpi_mix.replication.toy.tables import ToyTables
from vbpi_mix.toys import ExactPosterior

EVIDENCE = -40.0
GAPS = {"a2a:5:5": (0.30, 0.34), "s2a:2:5": (0.31, 0.33), "s2s:2:5": (0.60, 0.70), "s2a:1:20": (0.10, 0.12)}
MILLISECONDS = {"a2a:5:5": 2.0, "s2a:2:5": 1.0, "s2s:2:5": 0.8, "s2a:1:20": 0.5}


def made_up_tables() -> ToyTables:
    config = make_toy_config(rows=list(GAPS), n_seeds=2)
    exact = ExactPosterior(
        log_evidence=EVIDENCE, error=1e-10, mean=torch.zeros(2).double(), sd=torch.ones(2).double(), n_nodes=1000
    )
    records = {}
    for row in config.rows:
        for seed in config.seeds:
            bound = EVIDENCE - GAPS[row.word][seed - 1]
            size = row.n_components
            result = {
                "bound": bound,
                "log_ml_pooled": EVIDENCE,
                "log_ml_pooled_se": 0.01,
                "pareto_k": 0.4,
                "seconds": 60.0,
                "processor_seconds": 50.0,
                "means": [[0.1 * i, -0.1 * i] for i in range(size)],
                "log_variances": [[-1.0, 0.5]] * size,
                "curve": [{"iteration": i, "bound": bound - 50 / (1 + i)} for i in range(0, 50_001, 500)],
            }
            provenance = {"commit": "abcdef0123", "processor": "a processor", "packages": {"torch": "2.13.0"}}
            records[row, seed] = {"result": result, "provenance": provenance}
    steps = [
        {"dimension": d, "energy": "sequential", "row": word, "ms": factor * ms}
        for d, factor in ((20, 1), (2000, 10))
        for word, ms in MILLISECONDS.items()
    ]
    return ToyTables.collect(config, exact, records, {"result": {"steps": steps}})
