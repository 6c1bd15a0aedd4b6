"""The likelihood on the processor: compiled kernels, named by model and derivative."""
