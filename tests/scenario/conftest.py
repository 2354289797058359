# SPDX-License-Identifier: Apache-2.0
"""One broker a file of tests, a fresh account a test. A file that needs another configuration sets BROKER = {...}."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Broker, Person  # noqa: E402


@pytest.fixture(scope="module")
def running(request):
    broker = Broker(**getattr(request.module, "BROKER", {}))
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture
def broker(running):
    yield running
    running.provider.calm()
    assert running.running(), running.log()


@pytest.fixture
def shop(broker):
    """The service of this uid."""
    return broker.service


@pytest.fixture
def market(broker):
    """Another service of the realm."""
    return broker.as_service("market")


@pytest.fixture
def nobody(broker):
    """A name for an account without anything."""
    return Person(broker)


@pytest.fixture
def person(broker):
    """An account with TOTP enrolled and an ID linked."""
    return broker.person()
