"""The help of `fit`: options in groups, each with its default."""

from typing import Any

from typer.core import TyperCommand

GROUPS: dict[str, tuple[str, ...]] = {
    "Input": ("trees", "burn_in", "bootstrap", "bootstrap_replicates", "keep_candidates", "start"),
    "Model": (
        "data_type", "model", "codon_positions", "partitions", "priors", "branch_prior", "constraints",
        "tie_parameters",
    ),
    "Mixture": (
        "components", "sampled", "estimator", "particles", "flow", "flow_layers", "flow_hidden", "flow_per_component",
        "features", "tying",
    ),
    "Training": (
        "recipe", "iterations", "stop", "max_time", "finish", "learn_weights", "refresh_every", "gradient",
        "annealing_iterations", "rate_topology", "rate_base", "rate_flow", "rate_parameters",
    ),
    "Output and running": ("output", "outgroup", "resume", "seed", "threads", "device", "quiet", "help"),
}  # fmt: skip

# what `make_config` gives without options
DEFAULTS: dict[str, Any] = {
    "burn_in": 0.0, "bootstrap": "veryfasttree", "bootstrap_replicates": 60, "keep_candidates": False, "start": "auto",
    "data_type": "auto", "model": "GTR+G4", "codon_positions": False, "branch_prior": "exponential",
    "tie_parameters": False,
    "components": 4, "sampled": 2, "estimator": "s2a", "particles": 10, "flow": "skew", "flow_layers": 0,
    "flow_hidden": 0, "flow_per_component": False, "features": "psp", "tying": "none", "recipe": "default",
    "iterations": 20_000, "stop": "plateau", "finish": "auto", "learn_weights": False, "refresh_every": 0,
    "gradient": "path", "annealing_iterations": 0, "rate_topology": 0.0001, "rate_base": 0.002, "rate_flow": 0.001,
    "rate_parameters": 0.002, "seed": 1,
}  # fmt: skip
_IN_WORDS = {
    "bootstrap_replicates": "60; 10000 with iqtree",
    "keep_candidates": "those of --trees only",
    "branch_prior": "exponential(10)",
    "sampled": "2; all with a2a",
    "flow_layers": "16 for planar, 10 for realnvp",
    "flow_hidden": "100 for realnvp",
    "model": "GTR+G4, LG+G4 or MK+G4; JC69 with --recipe paper",
    "iterations": "20000; 400000 with --recipe paper",
    "outgroup": "drawn from the midpoint",
    "threads": "one per available core",
    "partitions": "one part",
    "constraints": "all topologies",
    "priors": "as in MrBayes",
    "max_time": "no limit",
    "trees": "a bootstrap",
}


class GroupedCommand(TyperCommand):
    """A command whose help has its options in `GROUPS`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and groups of options."""
        options = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                options[parameter.name] = record
        grouped = [name for names in GROUPS.values() for name in names]
        sections = {"Arguments": [name for name in options if name not in grouped], **GROUPS}
        for title, names in sections.items():
            rows = [_with_default(name, options[name]) for name in names if name in options]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _with_default(name: str, record: tuple[str, str]) -> tuple[str, str]:
    option, text = record
    value = DEFAULTS.get(name)
    default = _IN_WORDS.get(name) or ("" if value is None else "off" if value is False else str(value))
    return option, text if not default or "default:" in text else f"{text}  [default: {default}]"
