"""What a page is made of, as a browser takes it apart."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br", "img", "link", "input"}
"""Elements that have no end."""

SVG_LEAVES = {"path", "use", "rect", "circle", "line"}


class Parsed(HTMLParser):
    """The elements of a page, the text of each kind of them, and whether they were closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag

    def handle_data(self, data):
        if self.unclosed:
            self.texts.append((self.unclosed[-1], data))

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def all_of(self, tag: str) -> list[str]:
        """Return the text of each element of a kind."""
        return [text for inside, text in self.texts if inside == tag]

    def attributes(self, name: str) -> list[str]:
        """Return the values of an attribute, wherever it stands."""
        return [found[name] for _, found in self.elements if name in found]


KNOWN = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1",
    "h2", "p", "dl", "dt", "dd", "div", "figure", "figcaption", "table", "caption", "thead",
    "tbody", "tr", "th", "td", "details", "summary",
    "svg", "desc", "defs", "g", "path", "use", "text", "tspan", "clippath", "rect",
}  # fmt: skip
"""Every element that a page may have: none that runs or fetches anything."""


def check_page(html: str) -> Parsed:
    """Check what holds for every page; return its parts."""
    page = Parsed(html)
    assert page.unclosed == []
    assert page.tags <= KNOWN
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert not page.attributes("src")
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert "http" not in html.replace('http-equiv="Content-Security-Policy"', "")
    assert "url(" not in html.replace("url(#", "")
    assert "@import" not in html
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for tag, found in page.elements:
        if tag == "svg":
            assert set(found["aria-labelledby"].split()) <= set(ids)
            assert "viewbox" in found
    targets = {link[1:] for link in page.attributes("href")}
    targets |= {link[5:-1] for link in page.attributes("clip-path")}
    assert targets <= set(ids)
    return page
