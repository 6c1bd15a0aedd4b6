"""Moves of many particles at once, as tensors on a device: one whole-tree likelihood of all of them a step."""
