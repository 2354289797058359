# SPDX-License-Identifier: Apache-2.0
"""Attacks on the log: edited, cut, shortened and reordered while the broker was down."""
import shutil
import sqlite3

import pytest

from harness import Broker, VarlinkError


@pytest.fixture(scope="module")
def halted():
    """A broker that has logged a few payments and stopped; its state is kept, to be spoilt again and again."""
    broker = Broker()
    person = broker.person()
    session = person.session()
    for amount in ("10.00", "11.00", "12.00"):
        person.spend(session, amount)
    broker.victim = person
    broker.halt()
    shutil.copytree(broker.path("state"), broker.path("kept"))
    yield broker
    broker.stop()


@pytest.fixture
def log(halted):
    """The log's rows, on a fresh copy of the state: (sqlite connection, [(seq, row)])."""
    halted.halt()
    shutil.rmtree(halted.path("state"))
    shutil.copytree(halted.path("kept"), halted.path("state"))
    connection = sqlite3.connect(halted.path("state/countersign.db"))
    yield connection, connection.execute("SELECT seq, row FROM log ORDER BY seq").fetchall()
    connection.close()


def write(connection, seq, row):
    connection.execute("UPDATE log SET row = ? WHERE seq = ?", (row, seq))


def edit(connection, rows, i, at):
    seq, row = rows[i]
    row = bytearray(row)
    row[int(len(row) * at)] ^= 1
    write(connection, seq, bytes(row))


def cut(connection, rows, i, _):
    write(connection, rows[i][0], rows[i][1][:-1])


def remove(connection, rows, i, _):
    connection.execute("DELETE FROM log WHERE seq = ?", (rows[i][0],))


def swap(connection, rows, i, _):
    write(connection, rows[i][0], rows[i - 1][1])
    write(connection, rows[i - 1][0], rows[i][1])


def detected(halted):
    """Refused at the start, or when the log is read; and never a crash."""
    try:
        halted.start()
    except RuntimeError as error:
        assert "restore it from a backup" in str(error), error
        assert "fatal" not in str(error)
        return True
    try:
        for account in (None, halted.victim.account):
            events = halted.admin.call("Admin.Events", limit=1000, account=account)["events"]
            assert events, account
    except VarlinkError as error:
        assert (error.name, error.parameters["what"]) == ("Unavailable", "store")
        assert halted.service.call("Whoami")["service"] == "checkout"
        return True
    return False


def test_X5_an_untouched_log_is_whole(halted, log):
    assert not detected(halted)


@pytest.mark.parametrize("i", [0, 1, 5, -3, -2, -1])
@pytest.mark.parametrize("how, at", [(edit, 0.1), (edit, 0.5), (edit, 0.99), (cut, 0), (remove, 0), (swap, 0)])
def test_X5_a_log_that_was_touched_is_found_out(halted, log, how, at, i):
    connection, rows = log
    if how is swap and i == 0:
        i = 2
    how(connection, rows, i, at)
    connection.commit()
    connection.close()
    assert detected(halted)


def test_X5_a_log_cut_off_at_its_end_is_found_out(halted, log):
    connection, rows = log
    connection.execute("DELETE FROM log WHERE seq > ?", (rows[-4][0],))
    connection.commit()
    connection.close()
    assert detected(halted)


def test_X5_each_event_names_the_one_before(halted, log):
    """The chain that `countersignctl events verify` will follow: no two events of an account have the same forebear."""
    log[0].close()
    assert not detected(halted)
    events = halted.admin.call("Admin.Events", limit=1000, account=halted.victim.account)["events"]
    links = [event["json"].get("prev") for event in events]
    assert len(links) == len(set(links)) > 5
    assert [event["revision"] for event in events] == list(range(1, len(events) + 1))
