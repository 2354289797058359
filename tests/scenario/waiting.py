# SPDX-License-Identifier: Apache-2.0
"""The one way in which tests and benchmarks wait for what nobody tells them: asked again and again, within a bound."""
import select
import time

WAIT_S = 30  # a failure, however slow the machine
_PAUSE_S = 0.01


def until(true, what, seconds=WAIT_S):
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        got = true()
        if got:
            return got
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        select.select([], [], [], _PAUSE_S)
