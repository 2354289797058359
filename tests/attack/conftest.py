# SPDX-License-Identifier: Apache-2.0
"""Attacks run against the same whole broker as the scenarios, with the same fixtures."""
import importlib.util
import os
import sys

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario")
sys.path.insert(0, SCENARIOS)

_spec = importlib.util.spec_from_file_location("scenario_conftest", os.path.join(SCENARIOS, "conftest.py"))
_scenarios = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scenarios)
globals().update({name: getattr(_scenarios, name) for name in dir(_scenarios) if not name.startswith("_")})
