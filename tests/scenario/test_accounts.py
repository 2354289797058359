# SPDX-License-Identifier: Apache-2.0
"""Accounts: how they stand, "this was not me", and their end."""
import pytest


@pytest.fixture
def person(broker):
    return broker.person(linked=False)


def test_account_as_the_broker_knows_it(person):
    assert person.service.call("Accounts.Get", account=person.account) == {
        "account": person.account, "state": "open", "frozen": [], "factors": 1, "links": 0}


def test_unknown_account_is_not_found(nobody):
    for method in ("Get", "ReportNotMe", "Close"):
        assert nobody.service.fails("Accounts." + method, account=nobody.account).name == "NotFound"


def test_not_me_freezes_and_voids(person):
    begin = {"account": person.account, "kind": "totp"}
    challenge = person.service.call("Factors.Begin", **begin)["challenge"]["id"]
    told = person.service.call("Accounts.ReportNotMe", account=person.account)
    assert told == {"frozen": ["account"], "voided": 1}
    assert person.service.call("StepUp.Get", challenge=challenge)["state"] == "expired"
    assert person.service.call("Factors.Begin", **begin)["reason"] == "account_frozen"


def test_link_of_another_account_is_not_found(person, broker):
    other = broker.person()
    error = person.service.fails("Accounts.ReportNotMe", account=person.account, link=other.link_id)
    assert (error.name, error.parameters) == ("NotFound", {"what": "link"})


def test_not_me_of_one_link_leaves_the_others(broker):
    person = broker.person()
    session = person.session()
    told = person.service.call("Accounts.ReportNotMe", account=person.account, link=person.link_id)
    assert told["frozen"] == [person.link_id] and told["voided"] == 1
    answer = person.authorize(session, person.payment("20.00"))
    assert answer["outcome"] == "deny"


def test_closed_is_for_good(person):
    assert person.service.call("Accounts.Close", account=person.account) == {"state": "closed"}
    assert person.service.call("Accounts.Close", account=person.account) == {"state": "closed"}
    answer = person.service.call("Factors.Begin", account=person.account, kind="totp")
    assert (answer["outcome"], answer["reason"]) == ("deny", "account_closed")
