# SPDX-License-Identifier: Apache-2.0
"""Attacks on security events: forged, replayed, reordered, for somebody else (X1); and on their absence (X2)."""
import json
import os
import tempfile

import pytest

from signalling import mint, push, signalled, stats, warn
from test_allowances import granted, pay

# What the tests' provider wants to see of whoever manages a stream.
_TOKEN = os.path.join(tempfile.mkdtemp(prefix="cs."), "stream.secret")
with open(os.open(_TOKEN, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
    f.write("stream-token")

BROKER = {"provider_extra": f'set signal-algorithm ES256 RS256 set signal-audience another-app set stream-token file "{_TOKEN}" '
                            "signals { poll 10m silent-after 1h }"}


@pytest.fixture
def owner(person):
    person.at = person.session()
    granted(person, person.at)
    return person


def still_spends(owner):
    answer = pay(owner, owner.at, "1.00")
    return (answer["outcome"], answer["reason"]) == ("permit", "allowance")


@pytest.mark.parametrize("change, err", [
    ({"rogue": True}, "invalid_key"),
    ({"overrides": {"iss": "https://attacker.example"}}, "invalid_issuer"),
    ({"aud": "somebody-else"}, "invalid_audience"),
    ({"header": {"typ": None}}, "invalid_request"),
    ({"header": {"typ": "JWT"}}, "invalid_request"),
    ({"overrides": {"exp": 4102444800}}, "invalid_request"),
    ({"overrides": {"sub": "somebody"}}, "invalid_request"),
    ({"overrides": {"iat": 1}}, "invalid_request"),
    ({"overrides": {"jti": None}}, "invalid_request"),
])
def test_x1_what_is_not_the_provider_s_does_nothing(owner, broker, change, err):
    before = stats(broker)["refused"]
    status, headers, body = push(broker, mint(broker, "account-disabled", owner.subject, **change))
    assert status == 400 and json.loads(body)["err"] == err and headers["Content-Language"]
    assert still_spends(owner) and not signalled(broker, owner)
    assert stats(broker)["refused"] == before + 1


def test_x1_an_id_token_is_no_event_and_an_event_no_id_token(owner, broker, log):
    token = broker.provider.token(owner.subject, "nonce")
    status, _, body = push(broker, {"body": token, "content_type": "application/secevent+jwt"})
    assert status == 400 and json.loads(body)["err"] == "invalid_request"
    event = mint(broker, "account-disabled", owner.subject)["set"]
    begun = owner.service.call("Sessions.Begin", provider="sandbox")
    refused = owner.service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=event)
    assert refused.name == "InvalidParameter" and still_spends(owner)
    assert not signalled(broker, owner)


def test_x1_a_replay_takes_nothing_that_the_owner_gave_back(owner, broker):
    message = warn(broker, "session-revoked", owner.subject)
    owner.at = owner.session()
    owner.spend(owner.at)
    for _ in range(5):
        assert push(broker, message)[0] == 202
    assert still_spends(owner) and len(signalled(broker, owner)) == 1


def test_x1_an_event_of_another_realm_s_subject_hits_nobody_here(owner, broker):
    message = mint(broker, "account-disabled", owner.subject,
                   overrides={"sub_id": {"format": "iss_sub", "iss": "https://attacker.example", "sub": owner.subject}})
    assert push(broker, message)[0] == 202
    email = {"sub_id": {"format": "email", "email": owner.subject + "@sandbox.test"}}
    assert push(broker, mint(broker, "account-purged", owner.subject, overrides=email))[0] == 202
    assert still_spends(owner) and not signalled(broker, owner)


@pytest.mark.parametrize("order", [["account-enabled", "account-disabled"], ["account-disabled", "account-enabled"]])
def test_x1_the_order_does_not_matter(owner, broker, order):
    for message in [mint(broker, event, owner.subject) for event in order]:
        assert push(broker, message)[0] == 202
    assert owner.open()["reason"] == "link_suspended"
    assert broker.service.call("Links.Get", link=owner.link_id)["link"]["state"] == "suspended"


def test_x2_nothing_that_comes_later_re_arms_spending(owner, broker):
    warn(broker, "account-disabled", owner.subject)
    for event in ("account-enabled", "opt-out-cancelled", "opt-in", "session-established", "email-enabled"):
        warn(broker, event, owner.subject)
        assert owner.open()["reason"] == "link_suspended"
    answer = owner.service.call("Links.Resume", link=owner.link_id)
    assert answer["outcome"] == "step_up"


def test_x2_opting_out_of_events_pauses_what_they_would_have_protected(owner, broker):
    warn(broker, "opt-out-effective", owner.subject)
    answer = pay(owner, owner.at, "1.00")
    assert (answer["outcome"], answer["reason"]) == ("step_up", "allowance_paused")


def test_x2_a_verification_nobody_asked_for_is_refused(broker):
    forged = mint(broker, "verification", detail={"state": "guessed"})
    status, _, body = push(broker, forged)
    assert status == 400 and json.loads(body)["err"] == "invalid_state"
    assert "verified_at" not in stats(broker)


def test_X4_what_a_stream_says_of_itself_forges_no_line(broker):
    warn(broker, "stream-updated", None, detail={"status": 'paused" provider=another x="'})
    line = [line for line in broker.log().splitlines() if "changed its stream" in line][-1]
    assert line.count("provider=") == 2 and 'status="paused\\" provider=another' in line


def test_x2_a_stream_that_stops_is_reported(owner, broker, log):
    warn(broker, "opt-in", owner.subject)
    broker.clock.advance(61 * 60 * 1000)
    for _ in range(50):
        if log.events(type="stream_silent"):
            break
        broker.clock.advance(600)
    event = log.last(type="stream_silent")
    assert event["json"]["provider"] == "sandbox"
    assert stats(broker)["state"] == "silent"


def test_polled_events_are_acknowledged_when_they_are_durable(owner, broker):
    made = broker.admin.call("Admin.Stream", provider="sandbox", action="create")["document"]
    assert "urn:ietf:rfc:8936" in json.dumps(made)
    message = mint(broker, "account-purged", owner.subject, emit=True)
    forged = mint(broker, "account-purged", owner.subject, emit=True, rogue=True)
    for _ in range(4):
        broker.clock.advance(10 * 60 * 1000 + 1000)
        stands = broker.provider.control("stream")
        for _ in range(50):
            if message["claims"]["jti"] in stands["acknowledged"] and forged["claims"]["jti"] in stands["refused"]:
                break
            stands = broker.provider.control("stream")
    assert message["claims"]["jti"] in stands["acknowledged"] and forged["claims"]["jti"] in stands["refused"]
    assert len(signalled(broker, owner)) == 1
    assert owner.open()["reason"] == "link_suspended"
    broker.admin.call("Admin.Stream", provider="sandbox", action="verify")
    assert "verification_asked_at" in stats(broker)
    broker.admin.call("Admin.Stream", provider="sandbox", action="delete")
