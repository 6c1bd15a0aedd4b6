"""Triton's interpreter where there is no GPU."""

import importlib.util

import pytest

from tests.felsenstein.gpu.agreement import INTERPRET


@pytest.fixture(scope="module", autouse=True)
def interpreter():
    """Triton reads the variable once, when kernels are defined."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed: pip install 'vbpi_mix[gpu]'")
    if not INTERPRET:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        from triton.language import standard
        from triton.runtime.interpreter import InterpretedFunction

        from vbpi_mix.felsenstein.gpu import general as general_kernels
        from vbpi_mix.felsenstein.gpu import jc69 as jc69_kernels

        if not all(isinstance(f, InterpretedFunction) for f in (standard.sum, general_kernels.general_up)):
            pytest.skip("Triton was imported without its interpreter before, and there is no GPU")
        assert isinstance(jc69_kernels.jc69_up, InterpretedFunction)
        yield
