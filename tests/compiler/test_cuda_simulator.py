"""Generated kernels agree with the interpreter in numba's simulator of CUDA, which needs no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "selected", ["not slow", pytest.param("slow", marks=pytest.mark.slow)], ids=["fast", "slow"]
)
def test_kernels_agree_in_the_simulator(selected):
    """In a process of its own: numba decides when imported whether it simulates."""
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: extra cuda12 or cuda13")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore::RuntimeWarning"]
    ended = subprocess.run(
        [*command, "-m", selected, "-p", "no:cacheprovider", str(HERE / "simulated_cuda.py")],
        cwd=HERE.parents[1],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
