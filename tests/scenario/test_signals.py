# SPDX-License-Identifier: Apache-2.0
"""Security events of a provider: pushed through the gateway, in force before they are answered, lifted by the owner alone."""
import concurrent.futures
import json

import pytest

from harness import Browser
from signalling import mint, push, signalled, stats, warn
from test_allowances import granted, pay
from test_view_pages import Page, answer, ask

BROKER = {"provider_extra": 'set algorithm ES256 signals { other notify session-presented ignore silent-after 1h }'}


@pytest.fixture
def owner(person):
    """With a countersigned session and an open allowance."""
    person.at = person.session()
    person.allowance = granted(person, person.at)
    return person


def why(owner, session=None):
    answer = pay(owner, session or owner.at, "20.00")
    return answer["outcome"], answer["reason"]


def test_a_hijacked_account_stops_spending_at_once(owner, broker):
    assert why(owner) == ("permit", "allowance")
    warn(broker, "account-disabled", owner.subject, detail={"reason": "hijacking"})
    assert pay(owner, owner.at, "20.00")["outcome"] == "deny"
    assert broker.service.call("Links.Get", link=owner.link_id)["link"]["state"] == "suspended"
    entry, = owner.service.call("Allowances.List", account=owner.account)["allowances"]
    assert entry["state"] == "revoked"
    event, = signalled(broker, owner)
    assert event["json"]["signal"] == "account-disabled" and event["json"]["detail"] == "hijacking"
    assert event["json"]["effects"] == ["suspend-link", "void-sessions", "void-challenges", "void-allowances", "notify"]
    assert owner.open()["reason"] == "link_suspended"


def test_a_revoked_session_pauses_until_the_owner_countersigns(owner, broker):
    warn(broker, "session-revoked", owner.subject)
    assert why(owner) == ("deny", "session_invalid")
    fresh = owner.session()
    assert why(owner, fresh) == ("step_up", "allowance_paused")
    owner.spend(fresh)
    assert why(owner, fresh) == ("permit", "allowance")
    answers = broker.admin.call("Admin.Events", account=owner.account, limit=1000)["events"]
    assert any("resumes" in e["json"].get("flags", []) for e in answers if e["type"] == "challenge_answered")


def test_a_mandate_is_paused_and_goes_on(person, broker):
    session = person.session()
    mandate = granted(person, session, kind="mandate", payee="m-7")

    def by_mandate():
        answer = person.service.call("Payments.Authorize", allowance=mandate, account=person.account,
                                     payment=person.payment("10.00"))
        return answer["outcome"], answer["reason"]

    assert by_mandate() == ("permit", "mandate")
    warn(broker, "credential-change", person.subject, detail={"credential_type": "password", "change_type": "update"})
    assert by_mandate() == ("deny", "mandate_paused")
    person.session()
    assert by_mandate() == ("deny", "mandate_paused")
    person.spend(person.session(), "60.00")
    assert by_mandate() == ("permit", "mandate")


def test_explain_says_what_paused_it_and_what_lifts_it(owner, broker):
    warn(broker, "tokens-revoked", owner.subject)
    session = owner.session()
    told = broker.admin.call("Admin.Explain", account=owner.account, service="checkout", session=session,
                             payment=owner.payment("20.00"))
    assert told["reason"] == "allowance_paused"
    assert any("tokens-revoked" in mend and "countersigned" in mend for mend in told["mend"])
    warn(broker, "account-purged", owner.subject)
    told = broker.admin.call("Admin.Explain", account=owner.account, service="checkout", link=owner.link_id,
                             payment=owner.payment("20.00"))
    assert told["reason"] in ("link_suspended", "session_invalid")


def test_the_owner_resumes_what_an_event_suspended(owner, broker):
    warn(broker, "credential-compromise", owner.subject, detail={"credential_type": "password"})
    asked = owner.service.call("Links.Resume", link=owner.link_id)
    assert asked["outcome"] == "step_up"
    owner.confirm(asked["challenge"]["id"])
    assert owner.service.call("Links.Resume", link=owner.link_id)["outcome"] == "permit"
    fresh = owner.session()
    assert why(owner, fresh) == ("step_up", "countersignature_required")


def page_of(owner):
    browser = Browser(owner.broker)
    status, headers, _ = answer(browser, ask(owner), owner.totp)
    assert status == 303
    return Page(browser, headers["Location"])


def test_the_page_tells_of_the_warning_and_what_lifts_it(owner, broker):
    warn(broker, "session-revoked", owner.subject)
    page = page_of(owner)
    text = page.get()
    assert "sent a security warning" in text and "Sign in with it again and confirm a payment" in text
    assert "Security warning from its provider" in page.get("/history")
    owner.spend(owner.session())
    assert "sent a security warning" not in page.get()
    warn(broker, "account-purged", owner.subject)
    assert "so this ID is paused" in page.get()


def test_the_same_message_counts_once(owner, broker):
    message = warn(broker, "session-revoked", owner.subject)
    fresh = owner.session()
    owner.spend(fresh)
    before = stats(broker)["duplicates"]
    for _ in range(3):
        assert push(broker, message)[0] == 202
    assert why(owner, fresh) == ("permit", "allowance")
    assert len(signalled(broker, owner)) == 1 and stats(broker)["duplicates"] == before + 3


def test_it_counts_once_after_a_crash_too(owner, broker):
    message = warn(broker, "session-revoked", owner.subject)
    broker.kill()
    broker.start()
    owner.service = broker.service
    assert push(broker, message)[0] == 202
    event, = signalled(broker, owner)
    assert event["json"]["signal_id"] == message["claims"]["jti"]
    assert why(owner, owner.session()) == ("step_up", "allowance_paused")


def test_raced_duplicates_count_once(owner, broker):
    message = mint(broker, "session-revoked", owner.subject)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = [s for s, _, _ in pool.map(lambda _: push(broker, message), range(4))]
    # One that came while the first was looked at is to be sent again.
    assert 202 in statuses and set(statuses) <= {202, 503}
    assert len(signalled(broker, owner)) == 1


def test_several_people_in_one_message_are_all_durable_before_the_answer(broker):
    people = [broker.person() for _ in range(2)]
    first = mint(broker, "account-disabled", people[0].subject)
    second = mint(broker, "account-disabled", people[1].subject)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert [s for s, _, _ in pool.map(lambda m: push(broker, m), [first, second])] == [202, 202]
    for person in people:
        assert len(signalled(broker, person)) == 1


def test_good_news_does_nothing(owner, broker):
    warn(broker, "risk-level-change", owner.subject, detail={"principal": "USER", "current_level": "LOW"})
    warn(broker, "device-compliance-change", owner.subject,
         detail={"previous_status": "not-compliant", "current_status": "compliant"})
    warn(broker, "account-enabled", owner.subject)
    assert [e["json"].get("effects") for e in signalled(broker, owner)] == [None] * 3
    assert why(owner) == ("permit", "allowance")


def test_a_stranger_is_counted_and_answered_the_same(owner, broker):
    before = stats(broker)["unknown"]
    known = push(broker, mint(broker, "account-disabled", owner.subject))
    unknown = push(broker, mint(broker, "account-disabled", "nobody-linked-this"))
    assert (known[0], known[2]) == (unknown[0], unknown[2]) == (202, b"")
    assert sorted(known[1].keys()) == sorted(unknown[1].keys())
    assert stats(broker)["unknown"] == before + 1
    kept = broker_events(broker, "signal_unknown")[-1]["json"]
    assert kept["signal"] == "account-disabled" and kept["subject_digest"] and "nobody-linked" not in json.dumps(kept)


def test_the_service_hears(owner, broker):
    warn(broker, "account-purged", owner.subject)
    after, heard = 0, []
    while True:
        page = owner.service.call("Events.Watch", after=after, limit=1000)
        heard += page["events"]
        if page["next"] == after or not page["events"]:
            break
        after = page["next"]
    mine = [e for e in heard if e["type"] == "signalled" and e.get("account") == owner.account]
    assert mine and (mine[-1]["signal"], mine[-1]["state"], mine[-1]["link"]) == ("account-purged", "suspended", owner.link_id)


def test_the_owner_s_other_ids_go_on(broker):
    person = broker.person()
    other = person.link(person.subject + "-other")
    warn(broker, "account-purged", person.subject)
    opened = person.open(person.subject + "-other")
    assert opened["outcome"] == "permit" and opened["link"] == other["id"]


def test_the_configuration_says_what_an_event_does(broker):
    effects = {e["event"]: e for e in broker.admin.call("Admin.Signals", provider="sandbox")["effects"]}
    assert effects["other"] == {"event": "other", "effects": "notify", "configured": True}
    assert effects["session-presented"] == {"event": "session-presented", "effects": "ignore", "configured": True}
    assert effects["account-enabled"] == {"event": "account-enabled", "effects": "ignore", "configured": False}
    assert effects["account-purged"]["effects"].startswith("suspend-link")


def test_a_stream_that_falls_silent_is_reported_once(owner, broker):
    warn(broker, "opt-in", owner.subject)
    assert stats(broker)["state"] == "heard"
    silent = len(broker_events(broker, "stream_silent"))
    broker.clock.advance(61 * 60 * 1000)
    wait_for(broker, lambda: stats(broker)["state"] == "silent")
    broker.clock.advance(61 * 60 * 1000)
    assert len(broker_events(broker, "stream_silent")) == silent + 1
    assert "provider stream sandbox status" in broker.log()
    warn(broker, "opt-in", owner.subject)
    wait_for(broker, lambda: stats(broker)["state"] == "heard")
    wait_for(broker, lambda: broker_events(broker, "stream_heard"))


def broker_events(broker, type):
    after, events = 0, []
    while True:
        page = broker.admin.call("Admin.Events", after=after, limit=1000)
        events += page["events"]
        if page["next"] == after:
            return [e for e in events if e["type"] == type]
        after = page["next"]


def wait_for(broker, true):
    """Time goes on a little for each turn of the broker."""
    for _ in range(50):
        if true():
            return
        broker.clock.advance(600)
    raise AssertionError("it did not happen")
