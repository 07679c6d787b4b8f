"""What commands say of costs."""

from __future__ import annotations

import warnings

from netts.cli.messages import note
from netts.compiler.measuring import calibrate
from netts.errors import CalibrationWarning


def calibrate_aloud(*, anew: bool = False) -> None:
    """Calibrate, and say on standard error why where that was in vain."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CalibrationWarning)
        calibrate(anew=anew)
    for warning in caught:
        note(f"warning: {warning.message}")
