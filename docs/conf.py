"""How Sphinx makes a site of these pages: `sphinx-build -W docs OUT`. It needs no network."""

from __future__ import annotations

import re
from pathlib import Path
from types import FunctionType
from typing import Any

import netts

project = "netts"
author = "netts contributors"
project_copyright = "netts contributors, MIT licence"
release = version = netts.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
default_role = "py:obj"  # `Trainer` is a link, `"adam"` is code
highlight_language = "text"

# Pages link to each other as on a forge: file names, and headings as GitHub names them.
myst_heading_anchors = 4

# One page for each module, all its names on it: they are read side by side and found by Ctrl-F.
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings have the types, with shapes and units
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # autodoc shows them
numpydoc_validation_checks = {
    "GL06",  # an unknown section
    "GL07",  # sections in another order than numpydoc's
    "PR02",  # a parameter that does not exist
    "PR03",  # parameters in another order than the signature's
}

EXECUTED = (
    "cross_validation",
    "devices",
    "hyperparameter_search",
    "iris",
    "own_layer",
    "own_loss",
    "save_and_load",
    "two_inputs",
    "xor",
)
"""The examples that need nothing but what netts brings, and seconds; the others are shown only."""

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",  # not under version control
    "filename_pattern": rf"/({'|'.join(EXECUTED)})\.py$",
    "ignore_pattern": r"outcome\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": (),
    "reset_modules": (),
    "notebook_extensions": set(),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "abort_on_example_error": True,
}

html_theme = "furo"
html_title = f"netts {release}"
html_static_path = ["_static"]
html_css_files = ["netts.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False


def skip_inherited(
    app: Any, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what a class has from outside of netts: it is documented where it comes from."""
    home = getattr(member, "__module__", None)
    is_code = isinstance(member, FunctionType | property | classmethod | staticmethod)
    return True if home is not None and is_code and not home.startswith("netts") else None


def download_what_lies_beside(app: Any, page: str, source: list[str]) -> None:
    """Make links to files outside of docs/, which a forge shows, downloads of the site."""
    folder = Path(app.srcdir, page).parent

    def link(match: re.Match[str]) -> str:
        is_outside = not (folder / match[2]).resolve().is_relative_to(app.srcdir)
        return f"{match[1]}(path:{match[2]})" if is_outside else match[0]

    source[0] = re.sub(r"(?<!!)(\[[^\]]*\])\((\.\./[^)#]+)(?:#[^)]*)?\)", link, source[0])


def setup(app: Any) -> None:
    """Connect the above."""
    app.connect("source-read", download_what_lies_beside)
    app.connect("autodoc-skip-member", skip_inherited)
