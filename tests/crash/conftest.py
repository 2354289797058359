# SPDX-License-Identifier: Apache-2.0
"""The broker of tests/scenario, one a test, with limits that a burst does not reach."""
import os
import sys

import pytest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario")]

from harness import Broker  # noqa: E402

POLICY = "per-payment 1000 per-day 500000 per-month 5000000 count-day 1000000 count-month 1000000"


@pytest.fixture
def broker():
    broker = Broker(policy_limits=POLICY)
    yield broker
    log = broker.log()
    broker.stop()
    # What an engine that is started again would hide.
    assert "Sanitizer" not in log and "runtime error:" not in log and "invariant broken" not in log, log
