"""Component weights from few draws."""

from functools import partial

from vbpi_mix.analysis import weight_comparison
from vbpi_mix.experiment import component_weights
from vbpi_mix.experiment.component_weights import find_weights


def learn_from(patch, **few):
    """Have weights learned from fewer draws, see the arguments of `find_weights`."""
    for module in (component_weights, weight_comparison):
        patch.setattr(module, "find_weights", partial(find_weights, **few))
