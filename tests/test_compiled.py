"""Compiled kernels and their cache on disk."""

import os
import subprocess
import sys

import pytest

CALLER = """
from numbers_of import LIMIT, twice
from vbpi_mix.compiled import kernel


@kernel()
def caller(x):
    return twice(x) + LIMIT
"""
CALLED = """
from vbpi_mix.compiled import kernel

LIMIT = {limit}


@kernel()
def twice(x):
    return {factor} * x
"""
ALLOCATING = """
import numpy as np
from vbpi_mix.compiled import kernel


@kernel(inner=True{option})
def made(n):
    return np.ones(n).sum()


@kernel(inner=True)
def _between(n):
    return outer(n)


@kernel()
def outer(n):
    return np.ones(n).sum()


@kernel()
def within(n):
    return made(n)


@kernel()
def through_another(n):
    return _between(n)
"""
LEVELS = """
import numpy as np
from vbpi_mix.compiled import kernel


@kernel(inner=True{option}, fastmath=True)
def lowest(x, i, twice):
    return 2.0 * x[i] if twice else x[i]


@kernel(inner=True)
def middle(x, i):
    return lowest(x, 0, True) + lowest(x, 1, False) + lowest(x, i, i > 0)


@kernel()
def outer(x, i):
    return middle(x, np.int32(i)) + middle(x, 2) + lowest(x, i, True)
"""
HESSIAN = """
import hashlib
import numpy as np
import torch
from vbpi_mix.felsenstein.second_derivatives import tree_hessian
from vbpi_mix.model import ReversibleModel, SiteRates
from vbpi_mix.phylo import SitePatterns, random_topologies

generator = np.random.default_rng(1)
sets = (1 << generator.integers(4, size=(12, 150))).astype(np.uint8)
patterns = SitePatterns(state_sets=sets, weights=np.ones(150))
rates, frequencies = torch.tensor([1.2, 3.1, 0.7, 0.9, 4.0, 1.0]).double(), torch.tensor([0.3, 0.2, 0.2, 0.3]).double()
model = ReversibleModel(rates, frequencies, site_rates=SiteRates(gamma_shape=torch.tensor(0.5).double()))
topologies = random_topologies(5, 12, generator)
matrices = model.transition_derivatives(torch.from_numpy(generator.exponential(0.1, (5, 21))))
found = tree_hessian(*matrices, model.root_frequencies(), model.category_weights(), topologies, patterns)
print(hashlib.sha256(b"".join(x.numpy().tobytes() for x in found)).hexdigest())
"""
RUN = """
import calling
print(calling.caller(10), sum(calling.caller.stats.cache_hits.values()))
"""


def blocked(path):
    """A file where a folder is wanted: not even root can write into it."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    return path


def run(folder, code=RUN, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.fixture
def package(tmp_path, monkeypatch, repository):
    """Two modules that count as parts of this package, the repository's own beside them."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "vbpi_mix").symlink_to(repository / "vbpi_mix")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)

    def write(limit, factor):
        (folder / "calling.py").write_text(CALLER)
        (folder / "numbers_of.py").write_text(CALLED.format(limit=limit, factor=factor))

    write(1, 2)
    return folder, write


def test_the_second_process_loads_what_the_first_compiled(package, tmp_path):
    folder, _ = package
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(folder, **environment) == ["21", "0"]
    assert run(folder, **environment) == ["21", "1"]


@pytest.mark.parametrize("change", [{"limit": 5, "factor": 2}, {"limit": 1, "factor": 3}])
def test_changes_of_what_a_kernel_calls_are_seen(package, tmp_path, change):
    """The file of the caller stays as it is."""
    folder, write = package
    code = RUN.replace("import calling", "import vbpi_mix.compiled as c; c._PACKAGE = 'numbers_of'; import calling")
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(folder, code, **environment) == ["21", "0"]
    write(**change)
    assert run(folder, code, **environment) == [str(10 * change["factor"] + change["limit"]), "0"]
    write(1, 2)
    assert run(folder, code, **environment) == ["21", "1"]


def test_no_folder_for_the_cache_is_no_error(package, tmp_path):
    """Neither the folder asked for, nor the package's own, nor the user's can be written."""
    folder, _ = package
    home = blocked(tmp_path / "home")
    blocked(folder / "__pycache__")
    environment = {"NUMBA_CACHE_DIR": str(home / "cache"), "HOME": str(home), "XDG_CACHE_HOME": str(home / "x")}
    for _ in range(2):
        assert run(folder, **environment) == ["21", "0"]


def test_a_cache_that_vanishes_after_the_import_is_no_error(package, tmp_path):
    folder, _ = package
    cache = tmp_path / "cache"
    code = RUN.replace("print", f"import pathlib, shutil; p = pathlib.Path({str(cache)!r}); shutil.rmtree(p); ", 1)
    code = code.replace("shutil.rmtree(p); ", "shutil.rmtree(p); p.write_text(''); print")
    assert run(folder, code, NUMBA_CACHE_DIR=str(cache)) == ["21", "0"]


@pytest.mark.slow
def test_the_likelihood_without_any_cache(tmp_path, repository):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(repository / "vbpi_mix", folder / "vbpi_mix", ignore=shutil.ignore_patterns("__pycache__"))
    for sub in [folder / "vbpi_mix", *(p for p in (folder / "vbpi_mix").iterdir() if p.is_dir())]:
        blocked(sub / "__pycache__")
    home = blocked(tmp_path / "home")
    code = (
        "import numpy as np, torch, vbpi_mix\n"
        "from vbpi_mix.phylo import all_topologies, SitePatterns\n"
        "sets = np.array([[1, 1], [1, 2], [1, 1], [1, 2]], dtype=np.uint8)\n"
        "patterns = SitePatterns(state_sets=sets, weights=np.ones(2))\n"
        "lengths = torch.full((3, 5), 0.1, dtype=torch.float64)\n"
        "print(vbpi_mix.jc69_log_likelihood(lengths, all_topologies(4), patterns).sum().isfinite().item())\n"
    )
    environment = {"NUMBA_CACHE_DIR": str(home / "cache"), "HOME": str(home), "XDG_CACHE_HOME": str(home / "x")}
    assert run(folder, code, **environment) == ["True"]
    assert not list(folder.rglob("*.nbi"))


def test_inner_kernels_that_make_arrays_must_say_so(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    (tmp_path / "silent.py").write_text(ALLOCATING.format(option=""))
    (tmp_path / "honest.py").write_text(ALLOCATING.format(option=", allocates=True"))
    refused = "import numba, silent\ntry:\n    silent.within(3)\nexcept numba.TypingError:\n    print('refused')"
    assert run(tmp_path, refused, **environment) == ["refused"]
    code = "import honest, silent; print(honest.within(3), silent.through_another(3), silent.outer(3))"
    assert run(tmp_path, code, **environment) == ["3.0", "3.0", "3.0"]


@pytest.mark.parametrize("option", ["", ", early=True"])
def test_inner_kernels_are_compiled_once_for_all_integers(tmp_path, repository, option):
    (tmp_path / "vbpi_mix").symlink_to(repository / "vbpi_mix")
    (tmp_path / "levels.py").write_text(LEVELS.format(option=option))
    code = (
        "import numpy as np, levels\n"
        "print(levels.outer(np.arange(1.0, 4.0), 1), len(levels.lowest.overloads), len(levels.middle.overloads))"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for _ in range(2):  # compiled, and loaded
        value, *counts = run(tmp_path, code, **environment)
        assert float(value) == (2 + 2 + 4) + (2 + 2 + 6) + 4
        assert counts in (["1", "1"], ["0", "0"])


def test_a_kernel_is_missing_until_it_is_compiled(package, tmp_path):
    folder, write = package
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    code = RUN.replace("import calling", "import vbpi_mix.compiled as c; c._PACKAGE = 'numbers_of'; import calling")
    asking = code.partition("print")[0] + "print(c.is_missing(calling.caller))"
    assert run(folder, asking, **environment) == ["True"]
    run(folder, code, **environment)
    assert run(folder, asking, **environment) == ["False"]
    write(2, 2)
    assert run(folder, asking, **environment) == ["True"]


def test_nothing_is_missing_where_nothing_can_be_kept(package, tmp_path):
    folder, _ = package
    home = blocked(tmp_path / "home")
    blocked(folder / "__pycache__")
    environment = {"NUMBA_CACHE_DIR": str(home / "cache"), "HOME": str(home), "XDG_CACHE_HOME": str(home / "x")}
    code = "import vbpi_mix.compiled as c, calling; print(c.is_missing(calling.caller))"
    assert run(folder, code, **environment) == ["False"]


def test_the_process_that_compiles_rounds_as_later_ones_do(tmp_path, repository):
    """Once, they called machine code of inner kernels that was made with these alone, and later processes did not."""
    (tmp_path / "vbpi_mix").symlink_to(repository / "vbpi_mix")
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, second = (run(tmp_path, HESSIAN, **environment) for _ in range(2))
    assert first == second
