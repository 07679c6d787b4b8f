"""A network as a table to read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from netts.layers.base import Parameter, Shape, describe

if TYPE_CHECKING:
    from netts.network.network import Network


def summary_table(network: Network, shapes: tuple[Shape, ...]) -> str:
    """Return one line for each layer: what it is, the shape it gives, its parameters.

    Parameters
    ----------
    network
    shapes
        Of every value, the network's input first.
    """
    counts = [_count(node.layer.parameters(shapes[node.inputs[0]])) for node in network.nodes]
    rows = [("", "input", _batch(shapes[0]), "")]
    rows += [
        (node.label, describe(node.layer), _batch(shapes[k + 1]), f"{counts[k]:,}")
        for k, node in enumerate(network.nodes)
    ]
    rows.append(("", "total", "", f"{sum(counts):,}"))
    header = ("", "layer", "output shape", "parameters")
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(4)]
    lines = [_line(row, widths) for row in [header, *rows]]
    rule = "-" * sum(widths, start=6)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _count(parameters: dict[str, Parameter]) -> int:
    return sum(math.prod(parameter.shape) for parameter in parameters.values())


def _batch(shape: Shape) -> str:
    return f"({', '.join(['batch', *map(str, shape)])})"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    label, layer, shape, count = row
    texts = [label.ljust(widths[0]), layer.ljust(widths[1]), shape.ljust(widths[2])]
    return "  ".join([*texts, count.rjust(widths[3])]).rstrip()
