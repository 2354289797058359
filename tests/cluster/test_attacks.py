# SPDX-License-Identifier: Apache-2.0
"""
Attacks that several brokers on one store make possible: whatever one broker counts, locks, uses up or freezes, the other must know. Each name
begins with its number in tests/attack/README.md.
"""
import base64
import datetime
import threading
import time

import pytest

from brokers import HURRIED, Brokers, store_of
from harness import Person, Totp, VarlinkError
from history import events_of
from links import Links
from servers import Cluster, Single, missing
from waiting import until
from signalling import mint

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

TEN = 10
GUESSES, TRIES = 30, 5
LEASE_S = 1.0
POLICY = "per-payment 1000 per-day 3000 per-month 20000 count-day 100 count-month 1000"


@pytest.fixture(scope="module")
def fleet():
    with Cluster() as fleet:
        yield fleet


@pytest.fixture(scope="module")
def realm(fleet):
    with Brokers(fleet, policy_limits=POLICY, provider_extra="set algorithm ES256") as realm:
        yield realm


@pytest.fixture
def pair(realm):
    return realm.brokers


@pytest.fixture
def person(pair):
    return pair[0].person()


def at_once(calls):
    """Sends all, then reads all: [(broker, answer or error)]. calls: (broker, method, parameters)."""
    clients = [(broker, broker.connect(), method, parameters) for broker, method, parameters in calls]
    for _, client, method, parameters in clients:
        client.send(method, **parameters)
    answers = []
    for broker, client, _, _ in clients:
        try:
            answers.append((broker, client.receive()))
        except VarlinkError as error:
            answers.append((broker, error))
        client.close()
    return answers


def in_days(broker, days):
    at = datetime.datetime.utcfromtimestamp(broker.clock.now_ms() // 1000) + datetime.timedelta(days=days)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def permitted(broker, person, reason=None):
    """Of this account, by the whole log as this broker tells it."""
    return [e for e in events_of(broker, person.account) if e["type"] == "payment_permitted" and reason in (None, e["reason"])]


def sure(calls, ask):
    """Asks until every call has an answer that is none of "not now": a hot account is refused rather than guessed at."""
    answers, left = [], list(calls)
    deadline = time.monotonic() + 30
    while left:
        assert time.monotonic() < deadline, f"{len(left)} calls are never answered"
        got = ask(left)
        left = [call for call, (_, answer) in zip(left, got) if isinstance(answer, VarlinkError) and answer.name == "Unavailable"]
        answers += [(broker, answer) for broker, answer in got if not (isinstance(answer, VarlinkError) and answer.name == "Unavailable")]
    return answers


# --- M1, M6: money ---

def test_M1_two_brokers_at_once_against_one_budget(pair, person):
    """An allowance for ten payments, fifty connections, half at each broker: exactly ten, and not a cent more."""
    a, b = pair
    session = person.session()
    person.spend(session, "1.00")
    grant = a.service.call("Allowances.Grant", session=session, kind="allowance", payee="m-7", currency="CNY",
                           per_payment="10.00", per_day="100.00", total="100.00", expires_at=in_days(a, 5))
    person.confirm(grant["challenge"]["id"], service=b.service)
    calls = [((a, b)[n % 2], "Payments.Authorize", {"session": session, "payment": person.payment("10.00")}) for n in range(50)]
    answers = sure(calls, at_once)
    permits = [(broker, answer) for broker, answer in answers if answer["outcome"] == "permit"]
    assert len(permits) == TEN, [answer["outcome"] for _, answer in answers]
    assert all(answer["reason"] == "allowance" for _, answer in permits)
    for broker in pair:
        assert len(permitted(broker, person, "allowance")) == TEN


def test_M1_room_for_one_and_two_brokers(pair, person):
    """Both payments have their owner's yes, each is asked for at another broker; the day's limit holds one of them."""
    session = person.session()
    for broker in pair:
        person.spend(session, "1000.00", service=broker.service)
    payments = [person.payment("600.00") for _ in pair]
    for payment in payments:
        person.confirm(person.authorize(session, payment)["challenge"]["id"])
    answers = sure([(broker, "Payments.Authorize", {"session": session, "payment": payment}) for broker, payment in zip(pair, payments)],
                   at_once)
    outcomes = [answer for _, answer in answers]
    assert sorted(o["outcome"] for o in outcomes) == ["deny", "permit"]
    assert next(o for o in outcomes if o["outcome"] == "deny")["reason"] == "limit_day"


def test_M1_a_broker_that_dies_gives_nothing_back(fleet):
    """Held by one broker, which dies: the other counts the hold, and captures it."""
    with Brokers(fleet, policy_limits=POLICY) as realm:
        a, b = realm.brokers
        person = b.person()
        session = person.session()
        for _ in range(3):
            permit = person.spend(session, "1000.00", service=a.service)
        a.kill()
        answer = until(lambda: answered(lambda: person.authorize(session, person.payment("1.00"))), "the other broker to answer")
        assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
        captured = b.service.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")
        assert captured["outcome"] == "permit"
        assert b.service.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")["replayed"] is True


def answered(call):
    try:
        return call()
    except VarlinkError as error:
        assert error.name == "Unavailable", error
        return None


def test_M6_one_id_raced_with_many_amounts_over_two_brokers(pair, person):
    """One of the amounts has the owner's yes: one hold, of that amount, the same at both."""
    session = person.session()
    payment = person.payment("20.00")
    person.confirm(person.authorize(session, payment)["challenge"]["id"], service=pair[1].service)
    amounts = ["20.00", "21.00", "200.00", "1.00"] * 8
    calls = [(pair[n // 4 % 2], "Payments.Authorize", {"session": session, "payment": {**payment, "amount": amount}})
             for n, amount in enumerate(amounts)]
    answers = sure(calls, at_once)
    permits = [answer for _, answer in answers if answer["outcome"] == "permit"]
    assert len(permits) == 8 and len({answer["hold"]["id"] for answer in permits}) == 1
    assert {answer["hold"]["amount"] for answer in permits} == {"20.00"}
    for broker in pair:
        assert len(permitted(broker, person)) == 1
        again = person.authorize(session, payment, service=broker.service)
        assert (again["outcome"], again["replayed"]) == ("permit", True)


# --- codes ---

def respond(broker, person, challenge, value, step=None):
    client = broker.connect()
    try:
        return client.call("StepUp.Respond", challenge=challenge, answers=[{"step": step or person.totp.id, "value": value}])
    finally:
        client.close()


def in_parallel(runs):
    """Each in a thread of its own; what they gave. What one cannot do now it tries again."""
    got, lock = [], threading.Lock()

    def one(run):
        answer = until(lambda: answered(run), "an answer")
        with lock:
            got.append(answer)

    threads = [threading.Thread(target=one, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(runs)
    return got


def test_S14_guesses_over_two_brokers_are_counted_together(pair, person):
    challenge = pair[0].service.call("Factors.Begin", account=person.account, kind="totp")["challenge"]["id"]
    wrong = person.totp.wrong()
    answers = in_parallel([lambda n=n: respond(pair[n % 2], person, challenge, wrong) for n in range(GUESSES)])
    assert sum(a.get("reason") == "factor_rejected" for a in answers) == TRIES, answers
    right = person.totp.code()
    for broker in pair:
        assert respond(broker, person, challenge, right)["state"] == "locked"


def test_S14_guesses_at_an_enrolment_over_two_brokers(pair):
    nobody = Person(pair[0])
    begun = pair[0].service.call("Factors.Begin", account=nobody.account, kind="totp")
    answers = [{"step": "2", "value": "000000"}]
    got = at_once([(pair[n % 2], "Factors.Finish", {"enrolment": begun["enrolment"], "answers": answers}) for n in range(12)])
    errors = {answer.name for _, answer in got if isinstance(answer, VarlinkError)}
    assert errors <= {"Conflict", "NotFound", "Unavailable"}, errors
    assert sum(not isinstance(answer, VarlinkError) and answer["reason"] == "factor_rejected" for _, answer in got) <= TRIES


def test_S10_one_code_at_two_brokers_at_the_same_moment(pair, person):
    session = person.session()
    challenges = [person.authorize(session, person.payment("20.00"), service=broker.service)["challenge"]["id"] for broker in pair]
    code = person.totp.code()
    got = in_parallel([lambda broker=broker, challenge=challenge: respond(broker, person, challenge, code)
                       for broker, challenge in zip(pair, challenges)])
    assert sorted(answer["state"] for answer in got) == ["done", "open"], got


def test_S15_two_first_factors_at_two_brokers_are_one(pair):
    nobody = Person(pair[0])
    begun = [broker.service.call("Factors.Begin", account=nobody.account, kind="totp") for broker in pair]
    totps = [Totp(pair[0].clock, each["steps"][0]["uri"]) for each in begun]
    calls = [(broker, "Factors.Finish", {"enrolment": each["enrolment"], "answers": [{"step": "2", "value": totp.code()}]})
             for broker, each, totp in zip(pair, begun, totps)]
    got = [answer for _, answer in sure(calls, at_once)]
    assert sorted((answer["outcome"], answer["reason"]) for answer in got) == [("deny", "factor_exists"), ("permit", "first_factor")]
    for broker in pair:
        assert len(broker.service.call("Factors.List", account=nobody.account)["factors"]) == 1


def test_L3_one_subject_linked_to_two_accounts_at_two_brokers(pair):
    """The accounts live on servers of their own: nothing but the claim of the ID stands between them."""
    people = [broker.person(linked=False) for broker in pair]
    for _ in range(4):
        subject = "shared-" + people[0].totp.at(0) + str(time.monotonic_ns())
        proposed = []
        for broker, person in zip(pair, people):
            begun = broker.service.call("Links.Begin", account=person.account, provider="sandbox", native=True)
            token = broker.provider.token(subject, begun["nonce"])
            proposed.append((broker, "Links.Complete", {"sign_in": begun["sign_in"], "id_token": token}))
        # Proposed by both, or by one; countersigned by both owners at the same moment.
        asked = [(broker, person, answer, person.totp.code()) for (broker, answer), person in zip(at_once(proposed), people)
                 if not isinstance(answer, VarlinkError) and answer["outcome"] == "step_up"]
        answers = in_parallel([lambda broker=broker, person=person, answer=answer, code=code:
                               respond(broker, person, answer["challenge"]["id"], code) for broker, person, answer, code in asked])
        assert all(answer["state"] == "done" or answer["reason"] in ("link_taken", "challenge_expired") for answer in answers), answers
        linked = [answer["link"]["id"] for broker, _, answer, _ in asked
                  if broker.service.call("Links.Get", link=answer["link"]["id"])["link"]["state"] == "active"]
        assert len(linked) == 1, answers
        pair[0].service.call("Links.Remove", link=linked[0])


def test_X1_one_security_event_at_two_brokers_happens_once(pair, person):
    """A message that reaches both at the same moment, as when a balancer tries again: one event each, and both say that it is taken."""
    doors = [broker.gateway() for broker in pair]
    for sent in range(1, 9):
        message = mint(pair[0], "session-revoked", person.subject)
        body = base64.urlsafe_b64encode(message["body"].encode()).decode().rstrip("=")
        open_doors = list(doors)
        deadline = time.monotonic() + 30
        while open_doors:
            assert time.monotonic() < deadline, "a message is never taken"
            for door in open_doors:
                door.send("Internal.SignalPush", provider="sandbox", body=body, content_type=message["content_type"])
            left = []
            for door in open_doors:
                try:
                    assert door.receive()["state"] == "taken"
                except VarlinkError as error:
                    assert error.name == "Unavailable", error
                    left.append(door)
            open_doors = left
        assert len([e for e in events_of(pair[0], person.account) if e["type"] == "signalled"]) == sent


# --- power that is taken away ---

@pytest.mark.parametrize("scope", ["account", "provider", "broker"])
def test_X6_frozen_at_one_broker_is_frozen_at_the_other(pair, person, scope):
    """Within the lease: a permit of the other broker was asked for before it ended."""
    a, b = pair
    session = person.session()
    person.spend(session, "1.00")
    target = {"account": person.account, "provider": "sandbox", "broker": None}[scope]
    a.admin.call("Admin.Freeze", scope=scope, target=target, reason="under attack")
    frozen, asking = time.monotonic(), b.connect()
    try:
        while True:
            begun = time.monotonic()
            try:
                # The same question as Authorize, and it wears nothing out.
                answer = asking.call("Payments.Evaluate", session=session, payment=person.payment("1.00"))
            except VarlinkError as error:
                assert error.name == "Unavailable", error
                continue
            if answer["outcome"] == "deny":
                break
            assert begun < frozen + LEASE_S, f"{begun - frozen:.2f} s after the freeze: {answer}"
        reasons = (f"{scope}_frozen", "session_invalid", "link_frozen")
        assert answer["reason"] in reasons, answer
        assert person.authorize(session, person.payment("1.00"), service=asking)["reason"] in reasons
    finally:
        until(lambda: answered(lambda: a.admin.call("Admin.Thaw", scope=scope, target=target, reason="over")), "a thaw")
        for broker in pair:
            until(lambda: not frozen_by(broker), "the end of the freeze")


def frozen_by(broker):
    status = broker.admin.call("Admin.Status")
    return status.get("frozen") or status["providers"][0].get("frozen")


def test_S11_a_broker_that_is_cut_off_fails_closed_and_says_so():
    """It remembers accounts, allowances and sessions, and permits nothing by what it remembers; the other goes on."""
    with Single() as fleet:
        links = Links.of_brokers(fleet.network, ("a", "b"))
        servers = {name: [f"{fleet.network}.{Links.FRONT + n}:6379"] for n, name in enumerate("ab", 1)}
        try:
            with Brokers(fleet, servers=servers, policy_limits=POLICY, **HURRIED) as realm:
                cut_off(*realm.brokers, links)
        finally:
            links.stop()


def cut_off(a, b, links):
    person = a.person()
    session = person.session()
    person.spend(session, "1.00")
    grant = a.service.call("Allowances.Grant", session=session, kind="allowance", payee="m-7", currency="CNY",
                           per_payment="10.00", per_day="100.00", total="100.00", expires_at=in_days(a, 5))
    person.confirm(grant["challenge"]["id"])
    for broker in (a, b):
        assert person.authorize(session, person.payment("1.00"), service=broker.service)["outcome"] == "permit"
    links.cut("brokers", "b")
    cut = time.monotonic()
    stale = until(lambda: not store_of(b)["fresh"], "the broker to know that its view is old")
    assert stale
    print(f"known after {time.monotonic() - cut:.2f} s")
    a.admin.call("Admin.Freeze", scope="account", target=person.account, reason="stolen")
    other = a.person()
    assert other.spend(other.session(), "1.00")["outcome"] == "permit"
    for _ in range(5):
        try:
            answer = person.authorize(session, person.payment("1.00"), service=b.service)
            assert (answer["outcome"], answer["reason"]) == ("deny", "provider_stale"), answer
        except VarlinkError as error:
            assert error.name == "Unavailable", error
    assert "stale" in b.log() or "lease" in b.log() or "fresh" in b.log(), b.log()[-2000:]
    links.mend()
    until(lambda: store_of(b)["fresh"], "the broker to be in step again")
    answer = until(lambda: answered(lambda: person.authorize(session, person.payment("1.00"), service=b.service)), "an answer")
    assert (answer["outcome"], answer["reason"]) == ("deny", "account_frozen"), answer
