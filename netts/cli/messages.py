"""What commands say on standard error."""

from __future__ import annotations

import shutil
import sys
import textwrap


def note(message: str) -> None:
    """Say something; to a person at a terminal in lines that fit it."""
    text = f"netts: {message}"
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(wrapped(line, width) for line in text.splitlines())
    print(text, file=sys.stderr)


def wrapped(line: str, width: int, indent: int = 2) -> str:
    """Return a line broken between words, what follows indented."""
    # A line with spaces in front shows code or points at it.
    if line.startswith(" ") or not line:
        return line
    return textwrap.fill(
        line, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
