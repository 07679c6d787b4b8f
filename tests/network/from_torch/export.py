"""Write the files beside this script, with torch: weights of small networks, and what they predict.

Run it from the root of the repository: `python tests/network/from_torch/export.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 3, (2, 1), bias=False), nn.GELU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(18, 5), nn.LayerNorm(5), nn.Linear(5, 3),
    )  # fmt: skip


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 3)
        self.signal = nn.Conv1d(4, 2, 3, dilation=1)
        self.head = nn.Linear(2, 2)

    def forward(self, categories: torch.Tensor) -> torch.Tensor:
        return self.head(self.signal(self.table(categories)).flatten(1))


def shaken(model: nn.Module) -> nn.Module:
    """Give normalisations weights and statistics that matter."""
    with torch.no_grad():
        for one in model.modules():
            if isinstance(one, nn.BatchNorm2d | nn.LayerNorm):
                one.weight.uniform_(0.5, 1.5)
                one.bias.uniform_(-1, 1)
            if isinstance(one, nn.BatchNorm2d):
                one.running_mean.uniform_(-1, 1)
                one.running_var.uniform_(0.5, 1.5)
    return model.eval()


def main() -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 2, 6, 7)
    model = shaken(convolutional())
    state = model.state_dict()
    save_file(state, HERE / "cnn.safetensors")
    save_file(
        {k: v.to(torch.bfloat16) for k, v in state.items()}, HERE / "cnn_bfloat16.safetensors"
    )
    np.savez(HERE / "cnn.npz", **{name: one.numpy() for name, one in state.items()})
    torch.save(state, HERE / "cnn.pt")
    embedded, categories = Embedded().eval(), torch.randint(6, (4, 4))
    save_file(embedded.state_dict(), HERE / "embedded.safetensors")
    with torch.no_grad():
        np.savez(
            HERE / "expected.npz",
            images=images, cnn=model(images), categories=categories, embedded=embedded(categories),
        )  # fmt: skip


if __name__ == "__main__":
    main()
