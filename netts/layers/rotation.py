"""Images turned at random in training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.hyperparameters import check_real
from netts.layers.augmentation import Augmentation
from netts.layers.base import LayerBuffers, Shape
from netts.layers.draws import draw


@accelerate
def draw_turns(draws, turns, radians):
    """Write the cosine and sine of an angle from -radians to radians for each sample."""
    for n in parallel(turns.shape[0]):
        angle = (2.0 * draws[n, 0] - 1.0) * radians
        turns[n, 0] = math.cos(angle)
        turns[n, 1] = math.sin(angle)


@accelerate
def rotate(images, turns, output, center_y, center_x):
    """Write each pixel as the mean of the four around where it was, by distance; 0 outside.

    Bilinear interpolation: the weight of a pixel is 1 less its distance along each axis.
    """
    for n, c, y, x in parallel(output.shape[0], output.shape[1], output.shape[2], output.shape[3]):
        at_y = center_y + turns[n, 0] * (y - center_y) + turns[n, 1] * (x - center_x)
        at_x = center_x + turns[n, 0] * (x - center_x) - turns[n, 1] * (y - center_y)
        top = math.floor(at_y)
        left = math.floor(at_x)
        total = 0.0
        for row in range(max(top, 0), min(top + 2, images.shape[2])):
            for column in range(max(left, 0), min(left + 2, images.shape[3])):
                near = (1.0 - abs(at_y - row)) * (1.0 - abs(at_x - column))
                total += near * images[n, c, row, column]
        output[n, c, y, x] = total


@accelerate
def rotate_backward(grad_output, turns, grad_input, center_y, center_x):
    """Add each gradient to the four pixels that it is the mean of, by their weights."""
    for n, c in parallel(grad_input.shape[0], grad_input.shape[1]):
        for i in range(grad_input.shape[2]):
            for j in range(grad_input.shape[3]):
                grad_input[n, c, i, j] = 0.0
        for y in range(grad_output.shape[2]):
            for x in range(grad_output.shape[3]):
                at_y = center_y + turns[n, 0] * (y - center_y) + turns[n, 1] * (x - center_x)
                at_x = center_x + turns[n, 0] * (x - center_x) - turns[n, 1] * (y - center_y)
                top = math.floor(at_y)
                left = math.floor(at_x)
                for row in range(max(top, 0), min(top + 2, grad_input.shape[2])):
                    for column in range(max(left, 0), min(left + 2, grad_input.shape[3])):
                        near = (1.0 - abs(at_y - row)) * (1.0 - abs(at_x - column))
                        grad_input[n, c, row, column] += near * grad_output[n, c, y, x]


@dataclass(frozen=True)
class RandomRotation(Augmentation):
    """In training, turn each image about its middle; 0 stands where there was none of it.

    Parameters
    ----------
    degrees : float in [0, 180]
        By how much at most, in either direction.
    """

    degrees: float

    def __post_init__(self) -> None:
        check_real("degrees", self.degrees, "[0, 180]")

    def transients(self, input_shape: Shape, rows: int) -> dict[str, Shape]:
        """Return `draws` and `turns`."""
        return {"draws": (rows, 1), "turns": (rows, 2)}

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training or self.degrees == 0

    def forward(self, at: LayerBuffers) -> None:
        """Draw, and write the images."""
        draw(at)
        draw_turns(at.draws, at.turns, math.radians(self.degrees))
        rotate(at.input, at.turns, at.output, *_middle(at.input.shape))

    def backward(self, at: LayerBuffers) -> None:
        """Give each pixel its share of the gradients."""
        rotate_backward(at.grad_output, at.turns, at.grad_input, *_middle(at.input.shape))


def _middle(shape: Shape) -> tuple[float, float]:
    return (shape[2] - 1) / 2, (shape[3] - 1) / 2
