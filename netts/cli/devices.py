"""`netts devices`: what networks can run on, here."""

from __future__ import annotations

import argparse

from netts.cli.exit_codes import SUCCESS
from netts.devices import available


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command; it has no options."""
    parser.epilog = "Give a name to `netts train TABLE --device NAME`, or let `auto` choose."


def run(options: argparse.Namespace) -> int:
    """List every device, also those that this machine lacks, with the reason."""
    devices = available()
    width = max(len(device.name) for device in devices)
    for device in devices:
        state = "available" if device.is_available else "not available"
        print(f"{device.name:{width}}  {state:13}  {device.description}")
    return SUCCESS
