# SPDX-License-Identifier: Apache-2.0
"""Attack S4: a payment that needs two factors, with one factor given twice; and guesses that try them one at a time."""

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


def pairs(answers):
    return [{"step": totp.id, "value": code} for totp, code in answers]


def give(shop, challenge, *answers, **rest):
    return shop.call("StepUp.Respond", challenge=challenge, answers=pairs(answers), **rest)


def refused(shop, challenge, *answers):
    error = shop.fails("StepUp.Respond", challenge=challenge, answers=pairs(answers))
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "answers")


def both(shop, person):
    """Both apps, and a payment's challenge: (second, session, payment, challenge)."""
    second = second_factor(shop, person)
    session, payment = person.session(), person.payment()
    return second, session, payment, person.authorize(session, payment)["challenge"]["id"]


def test_S4_an_account_with_one_factor_cannot_give_two(person, log):
    answer = person.authorize(person.session(), person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "no_independent_factor")
    log.denied(person.account, "no_independent_factor")


def test_S4_one_factor_twice_is_one(shop, person, log):
    """Two codes of one app, in one call and in two."""
    second, session, payment, challenge = both(shop, person)
    code = person.totp.code()
    refused(shop, challenge, (person.totp, code), (person.totp, code))
    refused(shop, challenge, (person.totp, code))
    refused(shop, challenge, (person.totp, person.totp.code()))
    assert person.authorize(session, payment)["outcome"] == "step_up"
    assert log.events(person.account, "payment_permitted") == []
    answer = give(shop, challenge, (person.totp, person.totp.code()), (second, second.code()))
    assert answer["state"] == "done"
    assert person.authorize(session, payment)["outcome"] == "permit"


def test_S4_the_code_of_one_factor_is_not_the_others(shop, person, log):
    second, session, payment, challenge = both(shop, person)
    code = person.totp.code()
    answer = give(shop, challenge, (person.totp, code), (second, code))
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert log.last(person.account, "factor_failed")["reason"] == "factor_rejected"
    assert person.authorize(session, payment)["outcome"] == "step_up"


def test_S4_nothing_says_which_of_two_was_wrong(broker, log):
    """First wrong, second wrong, both: to whoever guesses they are one answer, with one count."""
    seen = []
    for first_right, second_right in ((True, False), (False, True), (False, False)):
        person = broker.person()
        second, session, payment, challenge = both(broker.service, person)
        answer = give(broker.service, challenge,
                      (person.totp, person.totp.code() if first_right else person.totp.wrong()),
                      (second, second.code() if second_right else second.wrong()))
        kinds = [step["kind"] for step in answer.pop("steps")]
        listed = broker.service.call("Factors.List", account=person.account)["factors"]
        seen.append((answer, kinds, [factor["state"] for factor in listed],
                     len(log.events(person.account, "factor_failed"))))
        # What was right in that round does not count in the next.
        refused(broker.service, challenge, (second, second.code()))
        answer = give(broker.service, challenge, (person.totp, person.totp.wrong()), (second, second.code()))
        assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
        assert person.authorize(session, payment)["outcome"] == "step_up"
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0]["attempts_left"] == 2


def test_S4_a_round_that_was_sent_twice_is_counted_once(shop, person, log):
    second, session, payment, challenge = both(shop, person)
    shown = shop.call("StepUp.Get", challenge=challenge)
    wrong = ((person.totp, person.totp.wrong()), (second, second.wrong()))
    first = give(shop, challenge, *wrong, round=shown["round"])
    assert (first["state"], first["reason"]) == ("open", "factor_rejected") and first["round"] != shown["round"]
    again = give(shop, challenge, *wrong, round=shown["round"])
    assert ("reason" in again, again["round"], again["attempts_left"]) == (False, first["round"], first["attempts_left"])
    assert len(log.events(person.account, "factor_failed")) == 2
    answers = ((person.totp, person.totp.code()), (second, second.code()))
    assert give(shop, challenge, *answers, round=first["round"])["state"] == "done"
    assert give(shop, challenge, *answers, round=first["round"])["state"] == "done"
    assert person.authorize(session, payment)["outcome"] == "permit"
