# SPDX-License-Identifier: Apache-2.0
"""Limits: lowering is instant, raising takes a countersignature."""
import pytest


@pytest.fixture
def person(broker):
    return broker.person(linked=False)


def put(person, challenge=None, **limits):
    return person.service.call("Limits.Set", account=person.account, limits={"currency": "CNY", **limits},
                               challenge=challenge)


def limits(person, **rest):
    cny, = person.service.call("Limits.Get", account=person.account, **rest)["limits"]
    return cny


def test_realm_limits_hold_from_the_start(person):
    assert limits(person) == {"currency": "CNY", "per_payment": "1000.00", "per_day": "3000.00",
                              "per_month": "20000.00", "count_day": 100, "count_month": 1000}


def test_lowering_is_instant(person):
    answer = put(person, per_payment="50")
    assert (answer["outcome"], answer["reason"]) == ("permit", "narrows")
    assert limits(person)["per_payment"] == "50.00"


def test_what_is_not_named_stays(person):
    put(person, per_payment="50", count_day=3)
    put(person, per_day="100")
    now = limits(person)
    assert (now["per_payment"], now["per_day"], now["count_day"]) == ("50.00", "100.00", 3)


def test_raising_takes_a_countersignature(person):
    put(person, per_payment="50")
    asked = put(person, per_payment="60")
    challenge = asked["challenge"]["id"]
    assert asked["outcome"] == "step_up" and limits(person)["per_payment"] == "50.00"
    card = person.service.call("StepUp.Get", challenge=challenge)["card"]
    assert (card["what"], card["worst_case"]) == ("limit", "60.00 CNY / payment")
    person.confirm(challenge)
    assert put(person, challenge, per_payment="60")["reason"] == "countersigned"
    assert limits(person)["per_payment"] == "60.00"


def test_countersignature_is_for_what_was_shown(person):
    put(person, per_payment="50")
    challenge = put(person, per_payment="60")["challenge"]["id"]
    person.confirm(challenge)
    assert put(person, challenge, per_payment="70")["outcome"] == "step_up"
    assert limits(person)["per_payment"] == "50.00"


def test_countersignature_is_used_once(person):
    put(person, per_payment="50")
    challenge = put(person, per_payment="60")["challenge"]["id"]
    person.confirm(challenge)
    put(person, challenge, per_payment="60")
    put(person, per_payment="50")
    assert put(person, challenge, per_payment="60")["outcome"] == "step_up"


def test_realm_limit_is_never_raised(person):
    put(person, per_payment="5000")
    assert limits(person)["per_payment"] == "1000.00"


def test_lowered_limit_denies(broker):
    person = broker.person()
    session = person.session()
    put(person, per_payment="10")
    answer = person.authorize(session, person.payment("20.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_payment")


def test_limit_of_a_link(broker):
    person = broker.person()
    answer = person.service.call("Limits.Set", account=person.account, link=person.link_id,
                                 limits={"currency": "CNY", "per_payment": "10"})
    assert answer["outcome"] == "permit"
    assert limits(person, link=person.link_id) == {"currency": "CNY", "per_payment": "10.00"}
    assert person.authorize(person.session(), person.payment("20.00"))["reason"] == "limit_payment"


@pytest.mark.parametrize("wrong", [{"per_payment": "-1"}, {"per_payment": "1.234"}, {"currency": "XXX"}, {"count_day": -2},
                                   {"cat": 1}])
def test_malformed_limits_are_named(person, wrong):
    error = person.service.fails("Limits.Set", account=person.account, limits={"currency": "CNY", **wrong})
    assert error.name == "InvalidParameter" and error.parameters["field"].startswith("limits")


def test_unknown_account_is_not_found(nobody):
    assert nobody.service.fails("Limits.Get", account=nobody.account).name == "NotFound"
