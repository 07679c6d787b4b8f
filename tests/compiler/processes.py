"""Scripts in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SECONDS = 120
"""How long a script may take before it counts as hanging: compiling included, on a busy machine."""


def start(script: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a Python script with additional environment variables."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(script), *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Return what a script printed; it must have ended well."""
    try:
        out, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, errors = process.communicate()
        raise AssertionError(f"hangs after {SECONDS} s\n{out}\n{errors}") from None
    assert process.returncode == 0, f"exit status {process.returncode}\n{out}\n{errors}"
    return out


def run(script: Path, *arguments: str, **environment: str) -> str:
    """Run a Python script and return what it printed."""
    return finish(start(script, *arguments, **environment))
