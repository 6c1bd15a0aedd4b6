"""Diagnostics of a fit: a figure, its verdict and the advice that goes with it."""
