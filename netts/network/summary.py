"""A network as a table to read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from netts.layers.base import Parameter, Shape, batched, describe

if TYPE_CHECKING:
    from netts.network.network import Network


def summary_table(network: Network, shapes: tuple[Shape, ...]) -> str:
    """Return one line for each layer: what it is, the shape it gives, its parameters.

    Where layers do not simply follow one another, a line also says what its layer reads.

    Parameters
    ----------
    network
    shapes
        Of every value, the network's inputs first.
    """
    nodes, inputs = (
        network.nodes,
        [f"input {name}".rstrip() for name in network.input_names or [""]],
    )
    counts = [_count(node.layer.parameters(*node.shapes(shapes))) for node in nodes]
    labels = [*inputs, *(node.label for node in nodes)]
    rows: list[tuple[str, ...]]
    rows = [("", *one, "", "") for one in zip(inputs, map(batched, shapes), strict=False)]
    rows += [
        (
            node.label,
            describe(node.layer),
            batched(shape),
            ", ".join(labels[value] for value in node.inputs),
            f"{count:,}",
        )
        for node, shape, count in zip(nodes, shapes[len(inputs) :], counts, strict=True)
    ]
    rows.append(("", "total", "", "", f"{sum(counts):,}"))
    rows = [("", "layer", "output shape", "reads", "parameters"), *rows]
    if all(node.inputs == (k,) for k, node in enumerate(nodes)):
        rows = [row[:3] + row[4:] for row in rows]
    return _table(rows)


def _count(parameters: dict[str, Parameter]) -> int:
    return sum(math.prod(parameter.shape) for parameter in parameters.values())


def _table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as lines of equal columns, the first and the last apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([*map(str.ljust, row[:-1], widths), row[-1].rjust(widths[-1])]).rstrip()
        for row in rows
    ]
    rule = "-" * sum(widths, start=2 * len(widths) - 2)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
