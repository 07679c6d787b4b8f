"""CUDA's packages are imported by one module, and only when CUDA is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import netts

PACKAGES = ("numba.cuda", "numba_cuda", "cuda", "nvmath")
ROOT = Path(netts.__file__).parent


def imported(path: Path) -> set[str]:
    """Return what a module imports, by a statement or by name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            names |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    return {name for name in names if f"{name}.".startswith(tuple(f"{p}." for p in PACKAGES))}


def test_one_module_imports_cuda():
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if imported(path)}
    assert found == {"devices/cuda/packages.py"}


def test_compiling_for_the_cpu_imports_no_cuda():
    script = (
        "import sys, numpy, netts.layers.dense as dense\n"
        "x = numpy.ones((2, 2))\n"
        "dense.dense_forward_without_bias(x, x, x.copy())\n"
        "dense.dense_forward_without_bias.source('cuda')\n"
        "assert not {'numba_cuda', 'numba.cuda', 'cuda.core', 'nvmath'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
