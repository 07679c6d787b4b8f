#!/usr/bin/env bash
# Runs the tests that need a GPU, from a checkout, and ends with a short summary.
#   tests/gpu_exam.sh [further arguments for pytest]
# Nothing is installed or fetched. A folder of packages that the machine lacks goes in PYTHONPATH.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export NETTS_CACHE_DIR="${NETTS_CACHE_DIR:-$(mktemp -d)}"
python="${PYTHON:-python3}"

"$python" - <<'PYTHON' || exit 1
import importlib.metadata, importlib.util, platform, sys

needed = ["numpy", "numba", "llvmlite", "scipy", "sklearn", "threadpoolctl", "platformdirs", "rich",
          "safetensors", "pytest", "hypothesis", "numba_cuda", "nvmath"]
missing = [name for name in needed if importlib.util.find_spec(name) is None]
print("Python", platform.python_version(), end="")
for name in ("numpy", "numba", "numba-cuda", "cuda-core", "cuda-bindings", "nvmath-python",
             "scikit-learn"):
    try:
        print(f", {name} {importlib.metadata.version(name)}", end="")
    except importlib.metadata.PackageNotFoundError:
        print(f", {name} missing", end="")
print()
if missing:
    sys.exit(f"missing packages: {' '.join(missing)}")
PYTHON

"$python" - <<'PYTHON' || exit 1
import sys
from netts.devices.cuda_driver import check_available, missing

print(*check_available(), sep="\n") if missing() is None else sys.exit(missing())
PYTHON

# Warnings of packages in versions that CI has not seen are printed, and fail nothing here.
pytest="$python -m pytest -q -m gpu -W default -p no:cacheprovider --durations=8"
# These ask how much of the memory is free, or leave none, or start CUDA 21 times: no other process may
# use the GPU meanwhile.
$pytest tests/devices/test_devices_gpu.py tests/training/test_memory_gpu.py \
    tests/training/test_streaming_gpu.py tests/estimators/test_gpu_arrays.py \
    tests/training/test_killed_trainings.py
alone=$?
$pytest tests/compiler/test_cuda_gpu.py \
    tests/training/test_training_gpu.py tests/training/test_checkpoints.py \
    tests/estimators/test_conventions.py "$@"
status=$((alone | $?))
if [ $status -eq 0 ]; then echo "GPU EXAM: passed"; else echo "GPU EXAM: failed ($status)"; fi
exit $status
