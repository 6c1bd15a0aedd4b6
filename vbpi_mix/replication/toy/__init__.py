"""The toy benchmark of the paper: mixtures fitted to a funnel whose posterior is known."""
