"""How long a wait may last before the run is taken to hang. It is no measurement: no test may pass or fail by speed.

MIDGE_PATIENCE multiplies every such limit (the sanitizer runs of tools/check set it).
"""

import os
import time

DEFAULT_S = 20.0


def patience(seconds=DEFAULT_S):
    """The limit in seconds for something that should take far less than `seconds`."""
    return seconds * float(os.environ.get("MIDGE_PATIENCE", "1"))


def deadline_after(seconds=DEFAULT_S):
    """A point on time.monotonic()."""
    return time.monotonic() + patience(seconds)
