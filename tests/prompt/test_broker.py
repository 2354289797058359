# SPDX-License-Identifier: Apache-2.0
"""On the real broker: a factor enrolled and a payment countersigned on a terminal, a refusal, a report."""

import pytest

from terminal import Terminal, plain
from harness import Broker, Totp


@pytest.fixture(scope="module")
def broker():
    broker = Broker(https=False)
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture
def on_terminal(broker):
    open_ones = []

    def start(*args, **environment):
        open_ones.append(Terminal("--socket", broker.path("service.sock"), *args, **environment))
        return open_ones[-1]
    yield start
    for one in open_ones:
        one.close()


def test_enrol_then_countersign(broker, on_terminal):
    person = broker.person(linked=False)
    t = on_terminal("enrol", "--label", "second phone", "totp", person.account)
    assert "Add a way to confirm" in t.expect("> ")
    t.type(person.totp.code())
    key = plain(t.expect("type this key into your app:") + t.expect("\n")).rsplit(":", 1)[1].replace(" ", "").strip()
    totp = Totp(broker.clock, "otpauth://totp/x?secret=" + key)
    t.expect("> ")
    t.type(totp.code())
    assert t.end()[0] == 0
    person.link()
    session, payment = person.session(), person.payment("20.00")
    challenge = person.authorize(session, payment)["challenge"]["id"]
    t = on_terminal(challenge)
    card = plain(t.expect("> "))
    assert "¥20.00 CNY" in card and "Corner Shop (m-7)" in card and "1  phone" in card and "2  second phone" in card
    t.type("2")
    t.expect("second phone")
    t.expect("> ")
    t.type(totp.wrong())
    t.expect("Attempts left: 4")
    t.expect("> ")
    t.type(totp.code())
    assert t.end()[0] == 0
    assert person.authorize(session, payment)["reason"] == "countersigned"


@pytest.mark.parametrize("key, frozen", [("r", False), ("n", True)])
def test_refuse_and_report(broker, on_terminal, key, frozen):
    person = broker.person()
    challenge = person.authorize(person.session(), person.payment())["challenge"]["id"]
    t = on_terminal(challenge)
    t.expect("> ")
    t.type(key)
    assert t.end()[0] == 1
    assert broker.service.call("Accounts.Get", account=person.account).get("frozen", []) == [person.link_id] * frozen
    assert on_terminal(challenge).end()[0] == 1  # as it stands


def test_unknown_challenge(on_terminal):
    assert on_terminal("chal_nothing").end()[0] in (2, 3)
