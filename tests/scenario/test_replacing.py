# SPDX-License-Identifier: Apache-2.0
"""Factors that replace others, that are taken back while they wait, and whose locks are lifted early."""
import json

import pytest

from harness import Person, Totp

HOUR = 3600 * 1000
DAY = 24 * HOUR
BROKER = {"factor_cooling_off": "24h"}


@pytest.fixture
def owner(broker):
    """Two TOTP apps, both usable; `totp` is the first, `second` the other."""
    person = Person(broker)
    first = person.enrol()
    broker.clock.advance(DAY)
    person.second = another(person)
    person.totp = first
    broker.clock.advance(DAY)
    person.link()
    return person


def another(person, by=None, **rest):
    """Enrols one more, with this one's yes."""
    asked = person.service.call("Factors.Begin", account=person.account, kind="totp", label="phone", **rest)
    assert asked["outcome"] == "step_up", asked
    challenge = asked["challenge"]["id"]
    person.confirm(challenge, by)
    begun = person.service.call("Factors.Begin", account=person.account, kind="totp", label="phone",
                                challenge=challenge, **rest)
    assert begun["outcome"] == "permit", begun
    totp = Totp(person.broker.clock, next(s for s in begun["steps"] if s["type"] == "show")["uri"])
    step = next(s for s in begun["steps"] if s["type"] == "code")
    done = person.service.call("Factors.Finish", enrolment=begun["enrolment"],
                               answers=[{"step": step["id"], "value": totp.code()}])
    assert done["outcome"] == "permit", done
    totp.id = done["factor"]["id"]
    return totp


def factors(person):
    return {f["id"]: f["state"] for f in person.service.call("Factors.List", account=person.account)["factors"]}


def lock(person, totp):
    challenge = person.authorize(person.session(), person.payment())["challenge"]["id"]
    for _ in range(5):
        person.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": totp.id, "value": totp.wrong()}])
    assert factors(person)[totp.id] == "locked"


def test_old_factor_stands_until_the_new_one_is_usable(broker, owner):
    new = another(owner, replaces=owner.totp.id)
    assert factors(owner) == {owner.totp.id: "active", owner.second.id: "active", new.id: "cooling_off"}
    owner.spend(owner.session())
    broker.clock.advance(DAY)
    assert factors(owner) == {owner.second.id: "active", new.id: "active"}
    payment, session = owner.payment(), owner.session()
    challenge = owner.authorize(session, payment)["challenge"]["id"]
    answer = owner.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": new.id, "value": new.code()}])
    assert answer["state"] == "done"
    assert owner.authorize(session, payment)["outcome"] == "permit"


def test_replacement_is_for_that_factor(owner):
    """A yes to the replacement of one is no yes to the replacement of the other, nor to one more."""
    asked = owner.service.call("Factors.Begin", account=owner.account, kind="totp", replaces=owner.totp.id)
    challenge = asked["challenge"]["id"]
    owner.confirm(challenge)
    for rest in ({"replaces": owner.second.id}, {}, {"replaces": owner.totp.id, "recover": True}):
        begun = owner.service.call("Factors.Begin", account=owner.account, kind="totp", challenge=challenge, **rest)
        assert "enrolment" not in begun and begun["outcome"] != "permit"


def test_factor_of_another_account_is_not_replaced(broker, owner):
    other = Person(broker)
    other.enrol()
    error = owner.service.fails("Factors.Begin", account=owner.account, kind="totp", replaces=other.totp.id)
    assert (error.name, error.parameters) == ("NotFound", {"what": "factor"})


def test_new_factor_is_taken_back_by_nobody(broker, owner):
    new = another(owner, replaces=owner.totp.id)
    answer = owner.service.call("Factors.Remove", factor=new.id)
    assert (answer["outcome"], answer["reason"]) == ("permit", "narrows")
    broker.clock.advance(2 * DAY)
    assert set(factors(owner)) == {owner.totp.id, owner.second.id}


def test_usable_factor_is_not(broker, owner):
    new = another(owner)
    broker.clock.advance(DAY)
    assert owner.service.call("Factors.Remove", factor=new.id)["outcome"] == "step_up"


def test_first_factor_is_not_even_while_it_waits(broker, nobody):
    nobody.enrol()
    answer = nobody.service.call("Factors.Remove", factor=nobody.totp.id)
    assert answer["outcome"] == "deny"
    assert list(factors(nobody)) == [nobody.totp.id]


def test_another_factor_lifts_a_lock(owner):
    lock(owner, owner.totp)
    asked = owner.service.call("Factors.Unlock", factor=owner.totp.id)
    assert asked["outcome"] == "step_up"
    shown = owner.service.call("StepUp.Get", challenge=asked["challenge"]["id"])
    assert (shown["card"]["what"], shown["card"]["label"]) == ("factor_unlock", "totp: phone")
    owner.confirm(asked["challenge"]["id"], owner.second)
    done = owner.service.call("Factors.Unlock", factor=owner.totp.id, challenge=asked["challenge"]["id"])
    assert (done["outcome"], done["reason"]) == ("permit", "countersigned")
    assert factors(owner)[owner.totp.id] == "active"
    owner.spend(owner.session())


def test_without_a_lock_nothing_is_asked(owner):
    answer = owner.service.call("Factors.Unlock", factor=owner.totp.id)
    assert (answer["outcome"], answer["reason"]) == ("permit", "asked")


def test_only_factor_is_not_unlocked(broker):
    alone = Person(broker)
    alone.enrol()
    broker.clock.advance(DAY)
    alone.link()
    lock(alone, alone.totp)
    answer = alone.service.call("Factors.Unlock", factor=alone.totp.id)
    assert (answer["outcome"], answer["reason"]) == ("deny", "factor_locked")
    assert factors(alone)[alone.totp.id] == "locked"


def test_yes_to_a_removal_lifts_no_lock(owner):
    lock(owner, owner.totp)
    asked = owner.service.call("Factors.Remove", factor=owner.totp.id)
    owner.confirm(asked["challenge"]["id"], owner.second)
    answer = owner.service.call("Factors.Unlock", factor=owner.totp.id, challenge=asked["challenge"]["id"])
    assert answer["outcome"] != "permit"
    assert factors(owner)[owner.totp.id] == "locked"


def test_unlocking_over_https(broker, owner):
    lock(owner, owner.totp)
    status, _, body = broker.web("POST", f"/v1/factors/{owner.totp.id}/unlock", {})
    assert (status, json.loads(body)["outcome"]) == (200, "step_up")


def test_not_me_needs_no_factor_and_thawing_does(owner):
    challenge = owner.authorize(owner.session(), owner.payment())["challenge"]["id"]
    owner.service.call("StepUp.Refuse", challenge=challenge, report=True)
    assert owner.open()["reason"] == "link_suspended"
    resumed = owner.service.call("Links.Resume", link=owner.link_id)
    assert resumed["outcome"] == "step_up"
    assert owner.open()["reason"] == "link_suspended"
    owner.confirm(resumed["challenge"]["id"])
    assert owner.service.call("Links.Resume", link=owner.link_id)["outcome"] == "permit"
    assert owner.open()["outcome"] == "permit"
