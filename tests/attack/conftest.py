# SPDX-License-Identifier: Apache-2.0
"""Attacks run against the same whole broker as the scenarios, with the same fixtures, and the log to find them in."""
import importlib.util
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = os.path.join(HERE, "..", "scenario")
sys.path[:0] = [HERE, SCENARIOS]

_spec = importlib.util.spec_from_file_location("scenario_conftest", os.path.join(SCENARIOS, "conftest.py"))
_scenarios = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scenarios)
globals().update({name: getattr(_scenarios, name) for name in dir(_scenarios) if not name.startswith("_")})

from log import Log  # noqa: E402


@pytest.fixture
def log(broker):
    """The events since this test began."""
    return Log(broker)
