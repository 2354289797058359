# SPDX-License-Identifier: Apache-2.0
"""Why: a service with the right `explain` is told each step of its decision and what would make it pass."""
import json
import os
import subprocess

import pytest

from harness import BUILD, RIGHTS

STACK = """#: PSD2 RTS, Article 16
spend   required    limit       per-day=100CNY
spend   requisite   session     max-age=30d
spend   sufficient  allowance
spend   required    stepup      any=totp
link    required    stepup      factors=1
factor  required    stepup      factors=1
"""

BROKER = {"stack": STACK, "rights": {"market": RIGHTS.replace(" explain", "")}}

MEMBERS = {"rule", "result", "why", "words", "pass", "used", "limit", "window", "file", "line", "note", "records"}


@pytest.fixture
def session(person):
    return person.session()


def line(answer, rule, passes=1):
    """The step of this line of the stack."""
    found, = [s for s in answer["explain"] if s.get("pass") == passes and s["rule"].split()[1:2] == [rule] and "line" in s]
    return found


def test_the_steps_of_a_step_up(person, session):
    answer = person.authorize(session, person.payment("20.00"), explain=True)
    assert answer["outcome"] == "step_up"
    assert all({"rule", "result", "why"} <= set(step) <= MEMBERS for step in answer["explain"])
    assert [s["rule"] for s in answer["explain"]][:3] == ["rule 1 service", "rule 2 account", "rule 3 provider"]
    limit = line(answer, "limit")
    assert (limit["file"], limit["line"], limit["result"]) == ("checkout", 2, "success")
    assert limit["note"] == "PSD2 RTS, Article 16"
    stepup = line(answer, "stepup")
    assert (stepup["result"], stepup["why"]) == ("unverified", "countersignature_required")
    # With a countersignature it would pass: pass 2 says so, and mend says with what.
    assert line(answer, "stepup", 2)["result"] == "success"
    assert answer["mend"] == ["the owner countersigns with totp"]


def test_what_is_left_of_a_limit(person, session):
    person.spend(session, "70.00")
    answer = person.authorize(session, person.payment("30.01"), explain=True)
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
    assert answer["mend"] == ["ask for at most 30.00 CNY"]
    step = line(answer, "limit")
    assert (step["result"], step["why"]) == ("exceeded", "limit_day")
    # What is offered passes.
    assert person.authorize(session, person.payment("30.00"))["outcome"] == "step_up"
    person.spend(session, "30.00")
    answer = person.authorize(session, person.payment("0.01"), explain=True)
    assert answer["mend"] == ["no amount passes now: wait until the limit's window is over"]


def test_a_permit_needs_no_mending(person, session):
    payment = person.payment("20.00")
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    answer = person.authorize(session, payment, explain=True)
    assert answer["outcome"] == "permit" and answer["mend"] == [] and answer["explain"]
    again = person.authorize(session, payment, explain=True)
    assert again["replayed"] and [s["rule"] for s in again["explain"]] == ["rule 7 payment id"]


def test_evaluate_explains_and_changes_nothing(broker, person, session):
    before = broker.admin.call("Admin.Account", account=person.account)
    answer = broker.service.call("Payments.Evaluate", session=session, payment=person.payment("20.00"), explain=True)
    assert answer["mend"] == ["the owner countersigns with totp"]
    assert broker.admin.call("Admin.Account", account=person.account) == before


def test_without_being_asked_nothing_is_explained(person, session):
    for wish in ({}, {"explain": False}):
        answer = person.authorize(session, person.payment("20.00"), **wish)
        assert not {"explain", "mend", "notes"} & set(answer)


def test_it_takes_the_right(broker, person):
    market = broker.as_service("market")
    session = person.open(service=market, aud="another-app")["session"]
    for method in ("Payments.Authorize", "Payments.Evaluate"):
        error = market.fails(method, session=session, payment=person.payment("20.00"), explain=True)
        assert (error.name, error.parameters) == ("NotPermitted", {"right": "explain"})
        assert market.call(method, session=session, payment=person.payment("20.00"), explain=False)["outcome"] == "step_up"


def test_over_https(broker, person, session):
    question = {"subject": {"type": "account", "id": person.account, "properties": {"session": session}},
                "action": {"name": "can_spend"},
                "resource": {"type": "payment", "id": "order-https", "properties": {
                    "amount": "20.00", "currency": "CNY", "payee": {"id": "m-7"}}},
                "context": {"explain": True}}
    status, _, body = broker.web("POST", "/access/v1/evaluation", question)
    assert status == 200, body
    context = json.loads(body)["context"]
    assert context["mend"] == ["the owner countersigns with totp"]
    assert any(s.get("note") == "PSD2 RTS, Article 16" for s in context["explain"])


def test_the_admin_is_told_the_same(broker, person, session):
    payment = person.payment("100.01")
    service = broker.service.call("Payments.Evaluate", session=session, payment=payment, explain=True)
    admin = broker.admin.call("Admin.Explain", account=person.account, service="checkout", session=session,
                              payment=payment)
    assert admin["mend"] == service["mend"] == ["ask for at most 100.00 CNY"]
    # But for the directory of the file, which is the admin's alone.
    told = [dict(s, file=os.path.basename(s["file"])) if "file" in s else s for s in admin["steps"] if "pass" in s]
    assert told == [s for s in service["explain"] if "pass" in s]
    assert {os.path.dirname(s["file"]) for s in admin["steps"] if "file" in s} == {broker.path("services")}


# --- explain --payment ---

def test_a_payment_that_was_asked_is_explained_from_the_log(broker, person, session):
    def explain(payment, *more):
        return subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), "explain",
                               "--payment", payment, person.account, "checkout", *more], capture_output=True, text=True,
                              timeout=20)
    refused = person.payment("120.00")
    assert person.authorize(session, refused)["reason"] == "limit_day"
    asked = person.payment("20.00")
    person.confirm(person.authorize(session, asked)["challenge"]["id"])
    assert person.authorize(session, asked)["outcome"] == "permit"
    done = explain(asked["id"])
    recorded, now = done.stdout.split("\nthe same asked now, as another payment beside it:\n")
    assert "payment_permitted  permit  countersigned" in recorded and "basis=countersignature" in recorded
    assert "seen_day=0.00" in recorded and now.startswith("step_up (") and "20.00 CNY of 100.00 CNY a day" in now
    answer = json.loads(explain(refused["id"], "--json").stdout)
    assert answer["recorded"][-1]["reason"] == "limit_day" and answer["now"]["reason"] == "limit_day"
    assert explain("never-asked").returncode == 3
