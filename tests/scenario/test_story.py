# SPDX-License-Identifier: Apache-2.0
"""The story of one stolen ID, which packaging/quickstart plays: one test a step."""
import datetime
import json
import os
import signal
import subprocess
import threading

import pytest
from jwcrypto import jwk, jws

from harness import BUILD, Client, VarlinkError

BROKER = {
    "policy_limits": "per-payment 500 per-day 2000 per-month 20000 count-day 5000 count-month 50000",
    "clients": ["shaky"],
    "extra": 'provider "shaky" { plugin "misbehave" servers 1 deadline 1s cooling-off 0 syncs-secrets no }',
}


def grant(person, session, per_payment="100.00", per_day="300.00", total="500.00", payee="m-7"):
    """An open allowance of 30 days."""
    now = datetime.datetime.fromtimestamp(person.broker.clock.now_ms() / 1000, datetime.timezone.utc)
    until = (now + datetime.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = person.service.call("Allowances.Grant", session=session, kind="allowance", payee=payee, currency="CNY",
                                per_payment=per_payment, per_day=per_day, total=total, expires_at=until)
    assert asked["outcome"] == "step_up", asked
    person.confirm(asked["challenge"]["id"])


def day_limit(person, amount):
    person.service.call("Limits.Set", account=person.account, limits={"currency": "CNY", "per_day": amount})


def answers(shop, challenge, value):
    step = shop.call("StepUp.Get", challenge=challenge)["steps"][0]
    return [{"step": step["id"], "value": value}]


def children(broker):
    """Process ids of the daemon's children, by role's program."""
    found = {}
    pid = broker._process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/cmdline") as words:
                found[os.path.basename(words.read().split("\0")[0])] = int(child)
    return found


def test_first_factor_is_enrolled_once_ever(shop, nobody):
    nobody.enrol()
    again = shop.call("Factors.Begin", account=nobody.account, kind="totp", label="thief's", proof="says so")
    assert again["outcome"] == "step_up"


def test_link_takes_a_step_up(shop, nobody):
    nobody.enrol()
    proposed = nobody.propose()
    assert (proposed["outcome"], proposed["link"]["state"]) == ("step_up", "proposed")
    nobody.confirm(proposed["challenge"]["id"])
    assert shop.call("Links.Get", link=proposed["link"]["id"])["link"]["state"] == "active"


def test_id_alone_is_asked_to_step_up(shop, person):
    asked = person.authorize(person.session(), person.payment("200.00"))
    assert (asked["outcome"], asked["reason"]) == ("step_up", "countersignature_required")
    assert "hold" not in asked and asked["challenge"]["factors"] == ["totp"]
    card = shop.call("StepUp.Get", challenge=asked["challenge"]["id"])["card"]
    assert (card["amount"], card["currency"], card["payee"]) == ("200.00", "CNY", "Corner Shop")


def test_wrong_code_is_refused_and_counted(shop, person):
    session, payment = person.session(), person.payment()
    challenge = person.authorize(session, payment)["challenge"]["id"]
    left = []
    for _ in range(2):
        reply = shop.call("StepUp.Respond", challenge=challenge, answers=answers(shop, challenge, person.totp.wrong()))
        assert reply["state"] == "open"
        left.append(reply["attempts_left"])
    assert left[1] == left[0] - 1
    assert person.authorize(session, payment)["outcome"] == "step_up"


def test_right_code_gives_hold_and_receipt(broker, person):
    permit = person.spend(person.session(), "20.00", receipt=True)
    assert permit["reason"] == "countersigned" and permit["hold"]["state"] == "open"
    status, _, keys = broker.web("GET", "/.well-known/jwks.json", certificate=None)
    assert status == 200
    token = jws.JWS()
    token.deserialize(permit["receipt"])
    token.verify(jwk.JWKSet.from_json(keys.decode()).get_key(token.jose_header["kid"]))
    claims = json.loads(token.payload)
    assert token.jose_header["typ"] == "countersign-receipt+jwt"
    assert (claims["jti"], claims["amount_minor"], claims["currency"]) == (permit["hold"]["id"], 2000, "CNY")
    assert claims["factors"] == ["totp"]


def test_countersignature_is_for_this_payment_alone(person):
    session, payment = person.session(), person.payment("20.00")
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    for other in (person.payment("21.00", id=payment["id"]), person.payment("20.00"),
                  person.payment("20.00", payee="m-8", id=payment["id"])):
        assert person.authorize(session, other)["outcome"] != "permit"


def test_capture_and_the_same_id_again(shop, person):
    session, payment = person.session(), person.payment("20.00")
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    first = person.authorize(session, payment)
    captured = shop.call("Payments.Capture", hold=first["hold"]["id"], capture_id="c-1")
    assert (captured["outcome"], captured["hold"]["state"]) == ("permit", "captured")
    again = person.authorize(session, payment)
    assert (again["outcome"], again["replayed"], again["hold"]["id"]) == ("permit", True, first["hold"]["id"])
    other = person.authorize(session, person.payment("22.00", id=payment["id"]))
    assert (other["outcome"], other["reason"]) == ("deny", "payment_mismatch")


def test_allowance_covers_what_is_within_it(person):
    session = person.session()
    grant(person, session)
    for amount in ("80.00", "100.00", "90.00"):
        permit = person.authorize(session, person.payment(amount), capture=True)
        assert (permit["outcome"], permit["reason"]) == ("permit", "allowance")
    assert person.authorize(session, person.payment("60.00"))["outcome"] == "step_up"  # 330 of 300 a day


def test_allowance_does_not_cover_more_at_once(person):
    session = person.session()
    grant(person, session)
    assert person.authorize(session, person.payment("100.01"))["outcome"] == "step_up"


def test_allowance_is_no_use_in_a_new_session_of_the_same_id(person):
    grant(person, person.session())
    assert person.authorize(person.session(), person.payment("10.00"))["outcome"] == "step_up"


def test_limit_is_denied_without_a_prompt(person):
    denied = person.authorize(person.session(), person.payment("600.00"))
    assert (denied["outcome"], denied["reason"]) == ("deny", "limit_payment")
    assert "challenge" not in denied


def test_lowering_a_limit_takes_no_factor_and_raising_does(shop, person):
    lowered = shop.call("Limits.Set", account=person.account, limits={"currency": "CNY", "per_payment": "50.00"})
    assert lowered["outcome"] == "permit"
    denied = person.authorize(person.session(), person.payment("60.00"))
    assert (denied["outcome"], denied["reason"]) == ("deny", "limit_payment")
    raised = shop.call("Limits.Set", account=person.account, limits={"currency": "CNY", "per_payment": "400.00"})
    assert raised["outcome"] == "step_up"


def at_once(count, work):
    """Runs work(i) in so many threads that begin together; what they gave."""
    results, together = [], threading.Barrier(count)

    def run(i):
        together.wait()
        results.append(work(i))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_fifty_at_once_against_a_budget_for_ten(broker, person):
    session = person.session()
    grant(person, session, "10.00", "1000.00", "1000.00")
    day_limit(person, "100.00")
    connections = [Client(broker.path("service.sock")) for _ in range(50)]
    payments = [person.payment("10.00") for _ in connections]

    def pay(i):
        return connections[i].call("Payments.Authorize", session=session, payment=payments[i])["outcome"]

    outcomes = at_once(len(connections), pay)
    for connection in connections:
        connection.close()
    assert (outcomes.count("permit"), outcomes.count("deny")) == (10, 40)


def test_frozen_provider_is_denied_and_the_thaw_revives_no_session(broker, person):
    session = person.session()
    grant(person, session)
    broker.admin.call("Admin.Freeze", scope="provider", target="sandbox", reason="stolen IDs")
    try:
        denied = person.authorize(session, person.payment("5.00"))
        assert (denied["outcome"], denied["reason"]) == ("deny", "provider_frozen")
    finally:
        broker.admin.call("Admin.Thaw", scope="provider", target="sandbox", reason="all clear")
    after = person.authorize(session, person.payment("5.00"))
    assert after["outcome"] == "deny" and after["reason"].startswith("session_")
    assert person.authorize(person.session(), person.payment("5.00"))["outcome"] == "step_up"


BURST, BUDGET, KILL_AT = 120, 60, 20


def test_kill_in_the_middle_of_a_burst_loses_and_overspends_nothing(broker, person):
    session = person.session()
    grant(person, session, "1.00", "1000.00", "1000.00")
    day_limit(person, f"{BUDGET}.00")
    payments, permitted, others, lock = [person.payment("1.00") for _ in range(BURST)], [], [], threading.Lock()
    engine = children(broker)["countersign-engine"]

    def ask(connection, payment):
        """Until there is an answer: what was not answered is asked again, with the same id."""
        while True:
            try:
                return connection[0].call("Payments.Authorize", session=session, payment=payment, capture=True)["outcome"]
            except (EOFError, OSError):
                connection[0] = Client(broker.path("service.sock"))
            except VarlinkError as error:
                assert error.name == "Unavailable", error

    def work(_):
        connection = [Client(broker.path("service.sock"))]
        while True:
            with lock:
                if not payments:
                    break
                payment = payments.pop()
            outcome = ask(connection, payment)
            with lock:
                (permitted if outcome == "permit" else others).append((payment["id"], outcome))
                if len(permitted) == KILL_AT and outcome == "permit":
                    os.kill(engine, signal.SIGKILL)
        connection[0].close()

    at_once(4, work)
    assert children(broker)["countersign-engine"] != engine
    broker.service, broker.admin = broker.connect(), broker.connect("admin.sock")
    person.service = broker.service
    for payment, _ in permitted:
        hold = broker.service.call("Payments.Get", account=person.account, payment=payment)["hold"]
        assert hold["state"] == "captured", payment
    assert len(permitted) == BUDGET
    assert {outcome for _, outcome in others} == {"deny"}


@pytest.mark.parametrize("behaviour", ["!crash", "!hang"])
def test_bad_plugin_is_unavailable_and_the_others_unharmed(shop, person, behaviour):
    begun = shop.call("Sessions.Begin", provider="shaky")
    try:
        answer = shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=behaviour)
        assert (answer["outcome"], answer["reason"]) == ("deny", "unavailable")
    except VarlinkError as error:
        assert error.name == "Unavailable"
    assert person.session()


def test_events_show_every_permit_with_what_justified_it(broker, person):
    session = person.session()
    person.spend(session, "20.00")
    grant(person, session)
    person.authorize(session, person.payment("30.00"))
    person.authorize(session, person.payment("600.00"))
    done = subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), "--json", "events",
                           "--account", person.account], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    spends = [(e["outcome"], e["reason"]) for e in events if e.get("outcome") and e["json"].get("op") == "spend"]
    for expected in (("step_up", "countersignature_required"), ("permit", "countersigned"), ("permit", "allowance"),
                     ("deny", "limit_payment")):
        assert expected in spends, spends
    assert all(e.get("reason") for e in events if e.get("outcome") == "permit")
