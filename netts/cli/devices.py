"""`netts devices`: what networks can run on, here, and by which costs they are compiled."""

from __future__ import annotations

import argparse

from netts.cli.costs import calibrate_aloud
from netts.cli.exit_codes import SUCCESS
from netts.cli.output import print_wrapped
from netts.compiler import calibration
from netts.compiler.cuda import gpu_calibration
from netts.devices import DeviceInfo, available
from netts.devices.registry import GPU, gpu_for_auto


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = (
        "Give a name to `netts train TABLE --device NAME`, or let `auto` choose; of several GPUs "
        "`cuda` is the first, `cuda:1` the second."
    )
    parser.add_argument(
        "--calibrate",
        nargs="?",
        const="once",
        choices=("once", "anew"),
        help="measure what things cost on this machine, unless that is kept already (anew: even "
        "then), and choose by it from now on; results may change in their last bits",
    )


def run(options: argparse.Namespace) -> int:
    """List every device, also those that this machine lacks, with the reason."""
    if options.calibrate:
        calibrate_aloud(anew=options.calibrate == "anew")
    devices = available()
    width = max(len(device.name) for device in devices)
    for device in devices:
        state = "available" if device.is_available else "not available"
        start = f"{device.name:{width}}  {state:13}  "
        print_wrapped(f"{start}{device.description}{_free(device)}", indent=len(start))
    print(f"costs on the cpu: {calibration.current()}")
    if gpu_for_auto().is_available:
        print(f"costs on {GPU}: {gpu_calibration.current()}")
    return SUCCESS


def _free(device: DeviceInfo) -> str:
    """Say how much of a GPU's memory is free, where that can be found out."""
    free = device.gpus[0].free_bytes if device.gpus else None
    return "" if free is None else f"; {free / 2**30:.1f} GiB free"
