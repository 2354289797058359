# SPDX-License-Identifier: Apache-2.0
"""Attack S4: a payment that needs two factors, with one factor given twice."""

BROKER = {"stack": """link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   required    stepup      factors=2
"""}


def second_factor(shop, person):
    """Enrols another TOTP app, beside the first."""
    first = person.totp
    challenge = shop.call("Factors.Begin", account=person.account, kind="totp", label="b")["challenge"]["id"]
    person.confirm(challenge)
    second = person.enrol(challenge=challenge)
    person.totp = first
    return second


def give(shop, challenge, *answers):
    return shop.call("StepUp.Respond", challenge=challenge,
                     answers=[{"step": totp.id, "value": code} for totp, code in answers])


def test_S4_an_account_with_one_factor_cannot_give_two(person, log):
    answer = person.authorize(person.session(), person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "no_independent_factor")
    log.denied(person.account, "no_independent_factor")


def test_S4_one_factor_twice_is_one(broker, shop, person, log):
    """Two codes of one app, in one call and in two, of one step and of the next."""
    second = second_factor(shop, person)
    session, payment = person.session(), person.payment()
    challenge = person.authorize(session, payment)["challenge"]["id"]
    code = person.totp.code()
    answer = give(shop, challenge, (person.totp, code), (person.totp, code))
    assert (answer["state"], answer["reason"]) == ("open", "no_independent_factor")
    log.denied(person.account, "no_independent_factor")
    answer = give(shop, challenge, (person.totp, person.totp.code()))
    assert (answer["state"], answer["reason"]) == ("open", "no_independent_factor")
    assert person.authorize(session, payment)["outcome"] == "step_up"
    assert log.events(person.account, "payment_permitted") == []
    assert give(shop, challenge, (second, second.code()))["state"] == "done"
    assert person.authorize(session, payment)["outcome"] == "permit"


def test_S4_the_code_of_one_factor_is_not_the_others(broker, shop, person, log):
    second = second_factor(shop, person)
    challenge = person.authorize(person.session(), person.payment())["challenge"]["id"]
    assert give(shop, challenge, (person.totp, person.totp.code()))["state"] == "open"
    answer = give(shop, challenge, (second, person.totp.code()))
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert log.last(person.account, "factor_failed")["reason"] == "factor_rejected"
