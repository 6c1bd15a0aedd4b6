"""Rules of the source tree: layers, module sizes, packages that only re-export, explicit random generators."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import vbpi_mix

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vbpi_mix"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400
# hold no code that could depend on a layer
OUTSIDE_THE_LAYERS = {"vbpi_mix.__init__", "vbpi_mix.__main__", "vbpi_mix._version"}
NUMPY_GENERATORS = {"default_rng", "SeedSequence", "Generator", "BitGenerator", "PCG64", "Philox"}
TORCH_DRAWS = {"bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn", "randperm"}
TENSOR_DRAWS = {
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial", "normal_", "random_",
    "uniform_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_", "trunc_normal_",
    "xavier_normal_", "xavier_uniform_",
}  # fmt: skip
TORCH_GLOBAL_STATE = {"manual_seed", "seed", "set_rng_state", "get_rng_state", "fork_rng", "rand_like", "randn_like"}


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_table() -> list[set[str]]:
    """The layers of import-linter's contract, highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [{name.strip("() ") for name in layer.replace("|", ":").split(":")} for layer in contract["layers"]]


def layer_of(module: str, table: list[set[str]]) -> int | None:
    for level, names in enumerate(table):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return level
    return None


def imports(source: str, module: str) -> set[str]:
    """Absolute names of everything imported anywhere in a module, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = module.rsplit(".", node.level)[0] if node.level else ""
            prefix = ".".join(part for part in (base, node.module) if part)
            found |= {f"{prefix}.{alias.name}" for alias in node.names}
    return found


def upward_imports(source: str, module: str, table: list[set[str]]) -> list[str]:
    own = layer_of(module, table)
    assert own is not None, f"{module} belongs to no layer of pyproject.toml"
    targets = sorted(name for name in imports(source, module) if name.startswith("vbpi_mix."))
    levels = {name: layer_of(name, table) for name in targets}
    return [f"{module} imports {name}" for name, level in levels.items() if level is not None and level < own]


def global_randomness(source: str) -> list[str]:
    """Draws from generators that nobody passed in."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [f"{node.lineno}: import random" for alias in node.names if alias.name == "random"]
        if isinstance(node, ast.ImportFrom) and node.module in {"random", "numpy.random"}:
            names = {alias.name for alias in node.names} - NUMPY_GENERATORS
            found += [f"{node.lineno}: from {node.module} import {name}" for name in sorted(names)]
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            wrong = (
                (owner in {"np.random", "numpy.random"} and node.attr not in NUMPY_GENERATORS)
                or (owner == "torch" and node.attr in TORCH_GLOBAL_STATE)
                or owner == "torch.random"
            )
            found += [f"{node.lineno}: {ast.unparse(node)}"] * wrong
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_torch = ast.unparse(node.func.value) == "torch" and node.func.attr in TORCH_DRAWS
            if (of_torch or node.func.attr in TENSOR_DRAWS) and "generator" not in {k.arg for k in node.keywords}:
                found.append(f"{node.lineno}: {ast.unparse(node.func)} without generator=")
    return found


def only_reexports(source: str) -> bool:
    """A docstring, imports, and the list of names."""
    for i, node in enumerate(ast.parse(source).body):
        if isinstance(node, ast.Expr) and i == 0 and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]:
            continue
        return False
    return True


def test_there_are_modules():
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_go_down(path):
    module = dotted(path)
    if module in OUTSIDE_THE_LAYERS:
        return
    assert upward_imports(path.read_text(encoding="utf-8"), module, layer_table()) == []


def test_the_layer_check_finds_an_upward_import():
    table = layer_table()
    assert upward_imports("from vbpi_mix.cli import main", "vbpi_mix.phylo.topology", table)
    assert upward_imports("def f():\n    import vbpi_mix.sbn.fitting", "vbpi_mix.io.trees", table)
    assert upward_imports("from ..experiment import build", "vbpi_mix.io.trees", table)
    assert not upward_imports("from vbpi_mix.phylo import stack", "vbpi_mix.io.trees", table)
    assert not upward_imports("from vbpi_mix.errors import InputError", "vbpi_mix.cli.main", table)


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_import_linter_agrees():
    # as a module: the console script may not be on PATH
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 kept, 0 broken" in run.stdout


@pytest.mark.parametrize("folder", ["phylo", "estimators"])
def test_the_lowest_packages_stand_alone(folder):
    """phylo/ knows NumPy only, estimators/ knows PyTorch only, neither knows the other."""
    allowed = {"phylo": {"numpy"}, "estimators": {"torch"}}[folder]
    for path in sorted((PACKAGE / folder).glob("*.py")):
        for name in imports(path.read_text(encoding="utf-8"), dotted(path)):
            top = name.split(".")[0]
            if top == "vbpi_mix":
                assert name.split(".")[1] in {folder, "errors", "compiled", "seeding"}, f"{path.name} imports {name}"
            else:
                assert top in allowed | sys.stdlib_module_names, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_long_module(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines: split it by subject"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py" and p.parent != PACKAGE], ids=dotted)
def test_packages_only_reexport(path):
    assert only_reexports(path.read_text(encoding="utf-8"))


def test_the_package_itself_loads_its_names_when_they_are_used():
    """The one `__init__` with code in it: importing it must stay quick, and every promised name be there."""
    quick = "import sys, vbpi_mix; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", quick], cwd=ROOT).returncode == 0
    for name in vbpi_mix.__all__:
        assert getattr(vbpi_mix, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = vbpi_mix.no_such_name


def test_a_fit_begins_without_what_draws_pictures():
    without = "import sys, vbpi_mix.experiment, vbpi_mix.analysis; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", without], cwd=ROOT).returncode == 0


def test_the_reexport_check_finds_code():
    assert only_reexports('"""Doc."""\nfrom a import b\n__all__ = ["b"]\n')
    assert not only_reexports("x = 1\n")
    assert not only_reexports("def f():\n    pass\n")


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_randomness_is_explicit(path):
    assert global_randomness(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from random import shuffle",
        "import numpy as np\nnp.random.rand(3)",
        "import numpy as np\nnp.random.seed(1)",
        "from numpy.random import normal",
        "import torch\ntorch.manual_seed(1)",
        "import torch\nx = torch.randn(3)",
        "import torch\nx = torch.randn_like(y)",
        "x.normal_()",
        "import torch\ntorch.nn.init.xavier_uniform_(w)",
    ],
)
def test_the_randomness_check_finds_global_draws(source):
    assert global_randomness(source)


def test_the_randomness_check_lets_generators_pass():
    assert not global_randomness(
        "import numpy as np, torch\n"
        "g = np.random.default_rng(np.random.SeedSequence(1))\n"
        "x = torch.randn(3, generator=h)\n"
        "y.normal_(generator=h)\n"
        "h = torch.Generator().manual_seed(3)\n"
        "def f(generator: np.random.Generator): generator.normal(size=3)\n"
    )
