"""Drawings of trees, splits and parameters: SVG, matplotlib figures, text."""
