"""The likelihood on a graphics processor: Triton kernels, named by model."""
