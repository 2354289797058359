# SPDX-License-Identifier: Apache-2.0
"""One broker a file of tests, a fresh account a test. A file that needs another configuration sets BROKER = {...}."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import STORE, Broker, Person  # noqa: E402

# What looks into the file that `store sqlite` keeps, or says what only that store says.
OF_THE_FILE = {"test_log.py", "test_store_migrate.py", "test_store_tools.py",
               "test_status_says_what_runs", "test_texts_of_the_log_are_not_in_the_store_in_the_clear",
               "test_a_second_engine_on_the_same_store_is_refused", "test_another_programs_database", "test_loose_store_file",
               "test_newer_schema", "test_the_header_is_in_no_log_and_not_in_the_store_in_the_clear",
               "test_the_file_says_the_same_as_the_daemon"}


def pytest_collection_modifyitems(items):
    """CS_STORE=redis or cluster: whoever needs the file says so and is left out."""
    for item in items:
        if STORE != "sqlite" and {os.path.basename(item.fspath), getattr(item, "originalname", None)} & OF_THE_FILE:
            item.add_marker(pytest.mark.skip(reason="it is about the file of store sqlite"))


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
