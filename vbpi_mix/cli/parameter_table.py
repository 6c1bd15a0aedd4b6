"""Parameters of the substitution model as lines for a terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vbpi_mix.posterior import ParameterSummary


def parameter_lines(parameters: "ParameterSummary") -> list[str]:
    """A heading and a line for each parameter, tree length first; no lines if the model is fixed."""
    if not parameters.n_model_parameters:
        return []
    width = max(len("parameter"), *map(len, parameters.names)) + 2
    lines = [f"{'parameter':<{width}}{'mean':>10}   95% interval"]
    for i, name in enumerate(parameters.names):
        interval = f"{parameters.low[i]:.4f} to {parameters.high[i]:.4f}"
        lines.append(f"{name:<{width}}{parameters.mean[i]:>10.4f}   {interval}")
    return lines
