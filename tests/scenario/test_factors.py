# SPDX-License-Identifier: Apache-2.0
"""Factors: enrolled, listed, removed."""
from harness import Totp


def begin(person, **rest):
    return person.service.call("Factors.Begin", account=person.account, kind="totp", **rest)


def finish(person, begun, code):
    step = next(s["id"] for s in begun["steps"] if s["type"] == "code")
    return person.service.call("Factors.Finish", enrolment=begun["enrolment"], answers=[{"step": step, "value": code}])


def wrong_code(person, begun):
    return Totp(person.broker.clock, next(s["uri"] for s in begun["steps"] if s["type"] == "show")).wrong()


def test_first_factor_makes_the_account(nobody):
    assert nobody.service.fails("Factors.List", account=nobody.account).name == "NotFound"
    nobody.enrol()
    factor, = nobody.service.call("Factors.List", account=nobody.account)["factors"]
    assert (factor["kind"], factor["label"], factor["state"]) == ("totp", "phone", "active")


def test_uri_shows_no_account(nobody):
    begun = begin(nobody)
    assert nobody.account not in next(s["uri"] for s in begun["steps"] if s["type"] == "show")


def test_wrong_code_is_denied_and_may_be_mended(nobody):
    begun = begin(nobody)
    totp = Totp(nobody.broker.clock, begun["steps"][0]["uri"])
    answer = finish(nobody, begun, totp.wrong())
    assert (answer["outcome"], answer["reason"]) == ("deny", "factor_rejected")
    assert finish(nobody, begun, totp.code())["outcome"] == "permit"


def test_five_wrong_codes_end_an_enrolment(nobody):
    begun = begin(nobody)
    code = wrong_code(nobody, begun)
    for _ in range(5):
        assert finish(nobody, begun, code)["reason"] == "factor_rejected"
    error = nobody.service.fails("Factors.Finish", enrolment=begun["enrolment"],
                                 answers=[{"step": "2", "value": code}])
    assert (error.name, error.parameters) == ("NotFound", {"what": "enrolment"})


def test_enrolment_is_over_after_ten_minutes(nobody):
    begun = begin(nobody)
    code = wrong_code(nobody, begun)
    for _ in range(3):
        # In steps, since a connection that says nothing for ten minutes is closed.
        nobody.broker.clock.advance(201_000)
        nobody.service.call("Whoami")
    assert nobody.service.fails("Factors.Finish", enrolment=begun["enrolment"],
                                answers=[{"step": "2", "value": code}]).name == "NotFound"


def test_second_factor_needs_the_first(broker):
    person = broker.person(linked=False)
    asked = begin(person, label="tablet")
    assert (asked["outcome"], asked["reason"]) == ("step_up", "countersignature_required")
    card = person.service.call("StepUp.Get", challenge=asked["challenge"]["id"])["card"]
    assert (card["what"], card["label"]) == ("factor", "totp: tablet")
    person.confirm(asked["challenge"]["id"])
    person.enrol(challenge=asked["challenge"]["id"])
    assert len(person.service.call("Factors.List", account=person.account)["factors"]) == 2


def test_a_challenge_adds_one_factor(broker):
    person = broker.person(linked=False)
    challenge = begin(person)["challenge"]["id"]
    person.confirm(challenge)
    first = person.totp
    person.enrol(challenge=challenge)
    person.totp = first
    assert begin(person, challenge=challenge)["outcome"] == "step_up"


def test_challenge_that_is_not_done_adds_nothing(broker):
    person = broker.person(linked=False)
    challenge = begin(person)["challenge"]["id"]
    again = begin(person, challenge=challenge)
    assert (again["outcome"], again["challenge"]["id"]) == ("step_up", challenge)


def test_removed_factor_answers_no_more(broker):
    person = broker.person(linked=False)
    first = person.totp
    challenge = begin(person)["challenge"]["id"]
    person.confirm(challenge)
    second = person.enrol(challenge=challenge)
    asked = person.service.call("Factors.Remove", factor=first.id)
    assert asked["outcome"] == "step_up"
    shown = person.service.call("StepUp.Get", challenge=asked["challenge"]["id"])
    assert (shown["card"]["what"], shown["card"]["label"]) == ("factor_removal", "totp: phone")
    person.service.call("StepUp.Respond", challenge=asked["challenge"]["id"],
                        answers=[{"step": second.id, "value": second.code()}])
    done = person.service.call("Factors.Remove", factor=first.id, challenge=asked["challenge"]["id"])
    assert (done["outcome"], done["reason"]) == ("permit", "countersigned")
    factor, = person.service.call("Factors.List", account=person.account)["factors"]
    assert factor["id"] == second.id
    assert person.service.fails("Factors.Remove", factor=first.id).name == "NotFound"


def test_unknown_kind_is_named(nobody):
    error = nobody.service.fails("Factors.Begin", account=nobody.account, kind="abacus")
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "kind")


def test_enrolment_of_another_service_does_not_exist(nobody, market):
    begun = begin(nobody)
    assert market.fails("Factors.Finish", enrolment=begun["enrolment"],
                        answers=[{"step": "2", "value": "123456"}]).name == "NotFound"


def test_a_few_enrolments_at_a_time(nobody):
    for _ in range(4):
        begin(nobody)
    assert nobody.service.fails("Factors.Begin", account=nobody.account, kind="totp").name == "TooMany"


def test_cooling_off_is_shown(broker):
    person = broker.person(linked=False)
    factor, = person.service.call("Factors.List", account=person.account)["factors"]
    assert factor["usable_from"] == factor["since"]


def test_factors_outlive_a_restart(broker):
    person = broker.person(linked=False)
    broker.halt()
    broker.start()
    person.service = broker.service
    challenge = begin(person)["challenge"]["id"]
    assert person.confirm(challenge)["state"] == "done"
