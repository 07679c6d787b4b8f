"""The text of SVG elements, and the style of drawings: no scripts, no fonts from elsewhere.

Style and colours are classes below `netts-plan`, so that a drawing inside a page changes nothing
else there. A drawing paints its background, light or dark as the reader's system is, so it can be
read on any page.
"""

from __future__ import annotations

LINE = 15.0
"""From one line of text to the next, in pixels, as everything here."""

WIDTHS = {"name": 7.3, "note": 6.7}
"""Of a character, by class: fonts of one width take 0.6 of their size, few a little more."""

_ESCAPES = {
    ord(one): f"&{name};" for one, name in zip('&<>"', ("amp", "lt", "gt", "quot"), strict=True)
}
_REPLACED = dict.fromkeys(
    (*range(32), *range(0xD800, 0xE000), 0x7F, 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"
)
_TABLE = _REPLACED | {ord("\n"): "\n"} | _ESCAPES

_STYLE = """
.netts-plan text {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.netts-plan .name { font-size: 12px; font-weight: 600; }
.netts-plan .note { font-size: 11px; }
"""

_LIGHT = {
    "page": "#ffffff", "ink": "#1f2328", "muted": "#59636e", "edge": "#818b98", "box": "#f6f8fa",
    "constant": "#0969da", "variable": "#bc4c00", "transient": "#1a7f37", "external": "#8250df",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "ink": "#f0f6fc", "muted": "#9198a1", "edge": "#656c76", "box": "#151b23",
    "constant": "#4493f8", "variable": "#f0883e", "transient": "#3fb950", "external": "#ab7df8",
}  # fmt: skip
PALETTES = (_LIGHT, _DARK)


def _rules(colors: dict[str, str]) -> str:
    """Return the rules of a palette: lines, what is filled, and circles that are open."""
    lines = []
    for name, color in colors.items():
        lines.append(f".netts-plan .{name}-line {{ stroke: {color}; fill: none; }}")
        lines.append(f".netts-plan .{name} {{ fill: {color}; }}")
        lines.append(f".netts-plan .{name}.open {{ fill: {colors['page']}; }}")
        lines.append(f".netts-plan .{name}.bar {{ fill: {color}; fill-opacity: 0.2; }}")
    return "\n".join(lines)


STYLE = f"""{_STYLE}{_rules(_LIGHT)}
@media (prefers-color-scheme: dark) {{
{_rules(_DARK)}
}}
"""


def escaped(text: str) -> str:
    """Return text as it may stand in XML; characters that may not stand there are replaced."""
    return text.translate(_TABLE)


def element(tag: str, content: str = "", /, **attributes: str | float) -> str:
    """Return an element.

    Parameters
    ----------
    content
        SVG: text is to be escaped before.
    **attributes
        `kind` is the class; underscores are dashes.
    """
    given = "".join(
        f' {"class" if name == "kind" else name.replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{given}>{content}</{tag}>" if content else f"<{tag}{given}/>"


def _value(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, *words: tuple[str, str]) -> str:
    """Return a line of text; each word has a string and classes, the first of which is a width."""
    spans = "".join(element("tspan", escaped(word), kind=kind) for word, kind in words)
    return element("text", spans, x=x, y=y)


def width(*words: tuple[str, str]) -> float:
    """Return how wide a line of text is at most."""
    return sum(len(word) * WIDTHS[kind.split()[0]] for word, kind in words)


def line(x: float, y: float, to_x: float, to_y: float, kind: str, **more: str | float) -> str:
    """Return a straight line."""
    return element(
        "path", d=f"M{_value(x)} {_value(y)}L{_value(to_x)} {_value(to_y)}", kind=kind, **more
    )


def arrow(x: float, y: float, direction: int, kind: str) -> str:
    """Return an arrow's head that ends at a point, to the right (1) or to the left (-1)."""
    back = _value(x - 6 * direction)
    above, below = _value(y - 3.5), _value(y + 3.5)
    return element("path", d=f"M{_value(x)} {_value(y)}L{back} {above}L{back} {below}Z", kind=kind)


def hovered(content: str, tip: str) -> str:
    """Return elements that show a text while the pointer is over them."""
    return element("g", element("title", escaped(tip)) + content) if tip else content
