# SPDX-License-Identifier: Apache-2.0
"""The broker of the scenarios with a public name, and one chromium a file of tests."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "scenario"), os.path.join(HERE, "..", "interop")]

from browser import Chromium  # noqa: E402
from harness import Broker  # noqa: E402


@pytest.fixture(scope="module")
def running(request):
    broker = Broker(**{"host": "localhost", **getattr(request.module, "BROKER", {})})
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture(scope="module")
def chromium(running):
    chromium = Chromium(running)
    yield chromium
    chromium.stop()


@pytest.fixture
def broker(running):
    yield running
    assert running.running(), running.log()


@pytest.fixture
def open_page(chromium):
    """open_page(locale, width=, ...): pages that are closed after the test, and of which none had a problem."""
    pages = []

    def open_one(*args, **options):
        pages.append(chromium.page(*args, **options))
        return pages[-1]
    yield open_one
    problems = [page.problems() for page in pages]
    for page in pages:
        page.close()
    assert not any(problems), problems
