"""A page of tables and plots: one HTML file that needs no network and runs no script."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import netts
from netts.evaluation.packages import imported
from netts.evaluation.plots import Plot
from netts.persistence import replace_file

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes
    ----------
    caption : str
    head : tuple of str
    rows : tuple of tuple of str
        The first cell of each is its name.
    is_folded : bool
        Whether it is out of sight until asked for: what a plot beside it shows already.
    n_names : int
        How many of the first cells of a row name it; the others are numbers.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_folded: bool = False
    n_names: int = 1


@dataclass(frozen=True)
class Section:
    """A part of a page, with any text in it but SVG, which plots made.

    Attributes
    ----------
    title : str
    text : str
        What it is that is shown, in a sentence or two.
    figures : mapping of str to str
        Numbers to show in large, by their names.
    plots : tuple of Plot
    tables : tuple of Rows
    """

    title: str
    text: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    tables: tuple[Rows, ...] = ()


@dataclass(frozen=True)
class Page:
    """What an HTML file is to show.

    Attributes
    ----------
    title : str
    sections : sequence of Section
    facts : mapping of str to str
        What stands below the title, by name: where the data are from, for instance.
    """

    title: str
    sections: Sequence[Section]
    facts: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """Return the HTML; everything but netts's own SVG is escaped.

        Raises
        ------
        MissingPackageError
            Where the extra `report` is not installed.
        """
        jinja2 = imported("jinja2")
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        template = environment.get_template("page.html")
        html: str = template.render(page=self, version=netts.__version__)
        return html

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the HTML to a file, as a whole or not at all.

        Raises
        ------
        MissingPackageError
            Where the extra `report` is not installed.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        # What Unicode has no bytes for, such as half a character of a damaged name, as "?".
        replace_file(path, self.render().encode(errors="replace"))
