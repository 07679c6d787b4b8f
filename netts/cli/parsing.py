"""How commands answer to options that they do not have."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from netts.choices import did_you_mean


class Parser(argparse.ArgumentParser):
    """Argparse's, whose errors are a line or two, and ask about a name that was misspelt.

    The usage of a command with twenty options would push the error out of sight.
    """

    def __init__(self, **settings: Any) -> None:
        settings |= {"formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**settings, allow_abbrev=False)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, or refuse what is left over, here where the options are known."""
        parsed, left = super().parse_known_args(args, namespace)
        if left:
            self.error(self._describe_unknown(left))
        return parsed, left

    def error(self, message: str) -> Any:
        """Print what is wrong and where the options are listed; exit with the code of usage."""
        self.exit(2, f"{self.prog}: error: {message}\n{self.prog} --help says what there is\n")

    def _describe_unknown(self, left: Sequence[str]) -> str:
        options = [one.partition("=")[0] for one in left if one.startswith("-")]
        if not options:
            return f"{left[0]!r} is one argument too many"
        known = [one for one in self._option_string_actions if one.startswith("--")]
        return f"there is no option {options[0]}{did_you_mean(options[0], known)}"
