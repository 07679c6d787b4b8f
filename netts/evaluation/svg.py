"""From matplotlib's SVG to one that stands inside a page: with a title, in the page's colours."""

from __future__ import annotations

import re
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"

COLORS = {
    "#010101": "ink", "#020202": "muted", "#030303": "grid",
    "#040401": "series-1", "#040402": "series-2", "#040403": "series-3",
    "#040404": "series-4", "#040405": "series-5", "#040406": "series-6",
}  # fmt: skip
"""Colours that stand for variables of the page's style, which knows light and dark."""

COLOR_OF = {name: color for color, name in COLORS.items()}
SERIES = tuple(color for color, name in COLORS.items() if name.startswith("series"))


def inline(text: str, name: str, title: str, description: str) -> str:
    """Return an SVG element for a page.

    Parameters
    ----------
    text
        What matplotlib has written.
    name
        In front of every id, so that those of several plots in one page differ.
    title, description
        What the plot is and what it shows, for those who cannot see it; any text.
    """
    root = ElementTree.fromstring(text)
    for child in root.findall(f"{SVG}metadata"):
        root.remove(child)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.attrib = _attributes(element.attrib, name, used)
    view = root.attrib["viewBox"]
    root.attrib = {
        "viewBox": view, "role": "img", "aria-labelledby": f"{name}-title {name}-description",
    }  # fmt: skip
    for place, (tag, content) in enumerate((("title", title), ("desc", description))):
        kind = {"title": "title", "desc": "description"}[tag]
        element = ElementTree.Element(tag, {"id": f"{name}-{kind}"})
        element.text = content
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _attributes(found: dict[str, str], name: str, used: set[str]) -> dict[str, str]:
    """Drop ids that nothing refers to, tell the others apart, and put in variables for colours."""
    attributes = {}
    for key, value in found.items():
        if key == "id":
            if value in used:
                attributes[key] = f"{name}-{value}"
        elif key == LINK:
            attributes["href"] = value.replace("#", f"#{name}-", 1)
        elif key == "style":
            attributes[key] = re.sub(r"#0[1-4]0[1-4]0[1-6]", _variable, value)
        else:
            attributes[key] = value.replace("url(#", f"url(#{name}-")
    return attributes


def _variable(color: re.Match[str]) -> str:
    return f"var(--{COLORS[color[0]]})"
