# SPDX-License-Identifier: Apache-2.0
"""Sessions that the configuration makes shorter than fifteen minutes idle and a day in all."""
from datetime import datetime

BROKER = {"extra": "session { idle 5m max 20m }"}

MINUTE = 60_000
EXPIRED = ("deny", "session_expired")


def asked(person, session):
    answer = person.authorize(session, person.payment())
    return answer["outcome"], answer["reason"]


def test_five_idle_minutes_end_a_session(broker, person):
    session = person.session()
    broker.clock.advance(5 * MINUTE - 1000)
    assert asked(person, session) == ("step_up", "countersignature_required")
    session = person.session()
    broker.clock.advance(5 * MINUTE + 1000)
    assert asked(person, session) == EXPIRED
    assert asked(person, person.session())[0] == "step_up"


def test_a_session_that_is_used_ends_all_the_same(broker, person):
    """Each payment keeps it from being idle; the answer that opened it said when it ends."""
    session = person.session()
    for _ in range(4):
        broker.clock.advance(4 * MINUTE + 30_000)
        person.spend(session, "1.00")
    broker.clock.advance(MINUTE)
    assert asked(person, session)[0] == "step_up"
    broker.clock.advance(MINUTE + 5_000)
    assert asked(person, session) == EXPIRED


def test_what_is_configured_is_what_is_said(broker, person):
    before = broker.clock.now_ms()
    opened = person.open()
    ends = datetime.fromisoformat(opened["expires_at"].replace("Z", "+00:00")).timestamp() * 1000
    assert 19 * MINUTE < ends - before <= 21 * MINUTE
