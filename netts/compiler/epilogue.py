"""The rest of a nest when a product has computed its sums: each is read where it was put."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netts.compiler.contraction import Contraction
from netts.compiler.emit import Emitter
from netts.compiler.nest import Set
from netts.compiler.scalars import Type


@contextmanager
def sums_read(
    emitter: Emitter, found: Contraction, type_: Type, text: Callable[[], str]
) -> Iterator[None]:
    """Print the addition of a sum in the place of the loops that it is over.

    Parameters
    ----------
    type_
        Of the sum.
    text
        Returns the text of the sum.
    """
    emitter.replaced[id(found.root)] = lambda: emitter.block(found.rebuilt)
    emitter.replaced[id(found.update)] = lambda: _add(emitter, found, type_, text())
    yield
    emitter.replaced.clear()


def _add(emitter: Emitter, found: Contraction, type_: Type, text: str) -> None:
    for one in found.scale:
        text = f"{text} * {emitter.value(one, type_)}"
    for one in found.divisors:
        text = f"{text} / {emitter.value(one, type_)}"
    sign = "-" if found.is_negative else "+"
    update = found.update
    if isinstance(update, Set):
        emitter.line(f"v_{update.name} = v_{update.name} {sign} {text}")
        return
    target = f"{emitter.pointer(update.array)}[{emitter.offset(update)}]"
    with emitter.storing(update):
        emitter.line(f"{target} = {target} {sign} {text}")


def result_element(emitter: Emitter, found: Contraction) -> str:
    """Return the text of the element that a product was put into directly."""
    assert found.result is not None
    return f"{emitter.pointer(found.result.array)}[{emitter.offset(found.result)}]"
