"""Distances between posterior samples of trees: splits, topologies, branch lengths."""
