# SPDX-License-Identifier: Apache-2.0
"""Allowances and mandates: bounded standing permissions that one countersignature creates."""
import datetime

import pytest


def until(person, days=30):
    at = datetime.datetime.utcfromtimestamp(person.broker.clock.now_ms() // 1000 + days * 86400)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def grant(person, session, **rest):
    terms = {"kind": "allowance", "payee": "*", "currency": "CNY", "per_payment": "50", "per_day": "80",
             "total": "100", "expires_at": until(person), **rest}
    return person.service.call("Allowances.Grant", session=session, **terms)


def granted(person, session, **rest):
    asked = grant(person, session, **rest)
    assert asked["outcome"] == "step_up", asked
    person.confirm(asked["challenge"]["id"])
    return asked["allowance"]


def pay(person, session, amount, **rest):
    return person.authorize(session, person.payment(amount, **rest))


def test_card_shows_the_most_that_could_be_lost(person):
    asked = grant(person, person.session())
    card = person.service.call("StepUp.Get", challenge=asked["challenge"]["id"])["card"]
    assert (card["what"], card["worst_case"], card["payee_id"], card["provider"]) == (
        "allowance", "100.00 CNY", "*", "sandbox")


def test_nothing_is_open_before_the_answer(person):
    session = person.session()
    grant(person, session)
    entry, = person.service.call("Allowances.List", account=person.account)["allowances"]
    assert entry["state"] == "proposed"
    assert pay(person, session, "20.00")["outcome"] == "step_up"


def test_open_allowance_pays_without_a_prompt(person):
    session = person.session()
    made = granted(person, session)
    answer = pay(person, session, "20.00")
    assert (answer["outcome"], answer["reason"]) == ("permit", "allowance")
    entry, = person.service.call("Allowances.List", account=person.account)["allowances"]
    assert (entry["id"], entry["state"], entry["spent"], entry["spent_today"]) == (made, "open", "20.00", "20.00")
    assert (entry["payee"], entry["total"], entry["link"]) == ("*", "100.00", person.link_id)


@pytest.mark.parametrize("amounts", [["50.01"], ["50", "30.01"]])
def test_beyond_its_terms_a_prompt_is_needed(person, amounts):
    session = person.session()
    granted(person, session)
    outcomes = [pay(person, session, amount)["outcome"] for amount in amounts]
    assert outcomes == ["permit"] * (len(amounts) - 1) + ["step_up"]


def test_total_is_the_end(person):
    session = person.session()
    granted(person, session, per_day="100", total="60")
    assert pay(person, session, "40")["outcome"] == "permit"
    assert pay(person, session, "30")["outcome"] == "step_up"


def test_revoked_at_once_without_a_factor(person):
    session = person.session()
    made = granted(person, session)
    assert person.service.call("Allowances.Revoke", allowance=made)["allowance"]["state"] == "revoked"
    assert person.service.call("Allowances.Revoke", allowance=made)["allowance"]["state"] == "revoked"
    assert pay(person, session, "20.00")["outcome"] == "step_up"


def test_mandate_pays_its_payee_without_a_session(person):
    payment = person.payment("20.00")
    made = granted(person, person.session(), kind="mandate", payee=payment["payee"]["id"])
    call = person.service.call
    answer = call("Payments.Authorize", allowance=made, payment=payment)
    assert (answer["outcome"], answer["reason"]) == ("permit", "mandate")
    other = person.payment("20.00")
    other["payee"]["id"] = "somebody-else"
    assert call("Payments.Authorize", allowance=made, payment=other)["outcome"] == "deny"


@pytest.mark.parametrize("field, wrong", [
    ("kind", "blanket"), ("currency", "XXX"), ("per_payment", "0"), ("per_payment", "-1"), ("per_day", "40"),
    ("total", "40"), ("expires_at", "tomorrow"), ("expires_at", "2020-01-01T00:00:00Z"),
    ("expires_at", "9999-01-01T00:00:00Z"), ("payee", ""), ("return_url", "https://evil.example/")])
def test_malformed_terms_are_named(person, field, wrong):
    session = person.session()
    terms = {"kind": "allowance", "payee": "*", "currency": "CNY", "per_payment": "50", "per_day": "80",
             "total": "100", "expires_at": until(person), field: wrong}
    error = person.service.fails("Allowances.Grant", session=session, **terms)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", field)


def test_mandate_names_its_payee(person):
    error = person.service.fails("Allowances.Grant", session=person.session(), kind="mandate", payee="*",
                                 currency="CNY", per_payment="1", per_day="1", total="1", expires_at=until(person))
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "payee")


def test_of_another_service_does_not_exist(person, market):
    made = granted(person, person.session())
    assert market.fails("Allowances.Revoke", allowance=made).name == "NotFound"
    assert market.call("Allowances.List", account=person.account) == {"allowances": []}


def test_it_ends_with_the_link(person):
    session = person.session()
    granted(person, session)
    person.service.call("Accounts.ReportNotMe", account=person.account, link=person.link_id)
    entry, = person.service.call("Allowances.List", account=person.account)["allowances"]
    assert entry["state"] == "revoked"
