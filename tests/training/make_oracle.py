"""Record what PyTorch comes to, for tests on machines without it.

    python tests/training/make_oracle.py

in the repository's root, where torch is installed, writes trajectories.npz beside this script.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from oracle import CASES, torch_trajectory

PATH = Path(__file__).with_name("trajectories.npz")


def main() -> None:
    arrays = {"torch": np.array(torch.__version__)}
    with warnings.catch_warnings():
        # A scheduler that is chained takes a first step before the optimiser does.
        warnings.simplefilter("ignore", UserWarning)
        for name, case in CASES.items():
            found = torch_trajectory(case)
            arrays[f"{name}/weights"] = found.weights
            arrays[f"{name}/losses"] = found.losses
            arrays[f"{name}/rates"] = found.rates
    np.savez_compressed(PATH, **arrays)


if __name__ == "__main__":
    main()
