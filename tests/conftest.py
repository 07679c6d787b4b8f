"""What all tests share: how hypothesis searches.

The cache of compiled kernels is the user's own, so that a second run compiles nothing; set
NETTS_CACHE_DIR to use another. What was calibrated there is left alone: tests choose by the default
costs on every machine, as their expectations of plans do.
"""

from __future__ import annotations

import os

import hypothesis

os.environ["NETTS_COSTS"] = "defaults"

# No deadline: the first example of a kernel compiles it. In CI the same examples every time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")
