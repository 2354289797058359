# SPDX-License-Identifier: Apache-2.0
"""Attacks on the countersignature: swapped, replayed, guessed, exhausted."""
import pytest

from harness import Totp, VarlinkError

MINUTE, HOUR = 60_000, 3600_000


def respond(service, challenge, factor, value):
    return service.call("StepUp.Respond", challenge=challenge, answers=[{"step": factor, "value": value}])


def asked(person, session, amount="20.00", **rest):
    """A payment that waits for its countersignature."""
    payment = person.payment(amount, **rest)
    answer = person.authorize(session, payment)
    assert answer["outcome"] == "step_up", answer
    return payment, answer["challenge"]["id"]


# --- S1, S3: exact binding ---

def test_S1_a_yes_to_one_payment_permits_no_other(person, log):
    session = person.session()
    _, challenge = asked(person, session)
    person.confirm(challenge)
    other = person.authorize(session, person.payment())
    assert (other["outcome"], "hold" in other) == ("step_up", False)
    assert log.events(person.account, "payment_permitted") == []


def test_S1_a_yes_in_one_session_permits_nothing_in_another(person, log):
    session, thiefs = person.session(), person.session()
    payment, challenge = asked(person, session)
    person.confirm(challenge)
    answer = person.authorize(thiefs, payment)
    assert answer["outcome"] != "permit" and "hold" not in answer
    assert log.events(person.account, "payment_permitted") == []
    assert person.authorize(session, payment)["outcome"] == "permit"


def test_S1_a_yes_is_used_once(shop, person, log):
    session = person.session()
    payment, challenge = asked(person, session)
    person.confirm(challenge)
    first, again = person.authorize(session, payment), person.authorize(session, payment)
    assert (first["outcome"], again["outcome"], again["replayed"]) == ("permit", "permit", True)
    assert again["hold"]["id"] == first["hold"]["id"]
    assert len(log.events(person.account, "payment_permitted")) == 1
    assert shop.call("StepUp.Get", challenge=challenge)["state"] == "used"


def test_S1_a_yes_to_one_account_is_not_anothers(broker, shop, person, log):
    """The factor of another account cannot answer, and the challenge of another account cannot be named."""
    thief = broker.person()
    _, challenge = asked(person, person.session())
    error = shop.fails("StepUp.Respond", challenge=challenge,
                       answers=[{"step": thief.totp.id, "value": thief.totp.code()}])
    assert (error.name, error.parameters) == ("NotFound", {"what": "step"})
    assert shop.call("StepUp.Get", challenge=challenge)["state"] == "open"
    log.strangers("checkout", "step")


@pytest.mark.parametrize("change", [
    {"amount": "20.01"}, {"amount": "19.99"}, {"currency": "EUR"}, {"payee": "m-8"}, {"name": "Corner Shop Ltd"},
    {"name": "corner shop"}], ids=str)
def test_S3_any_change_after_the_yes_voids_it(person, log, change):
    session = person.session()
    payment, challenge = asked(person, session)
    person.confirm(challenge)
    changed = person.payment(**{"amount": "20.00", **change, "id": payment["id"]})
    answer = person.authorize(session, changed)
    assert answer["outcome"] != "permit" and "hold" not in answer, answer
    assert log.events(person.account, "payment_permitted") == []


@pytest.mark.parametrize("change", [{"amount": "20.01"}, {"payee": "m-8"}, {"name": "Another"}], ids=str)
def test_S3_a_permit_does_not_stretch(person, log, change):
    session = person.session()
    payment = person.payment("20.00")
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    assert person.authorize(session, payment)["outcome"] == "permit"
    answer = person.authorize(session, person.payment(**{"amount": "20.00", **change, "id": payment["id"]}))
    assert (answer["outcome"], answer["reason"]) == ("deny", "payment_mismatch")
    log.denied(person.account, "payment_mismatch")


def test_S3_a_yes_is_over_after_five_minutes(broker, person, log):
    session = person.session()
    payment, challenge = asked(person, session)
    person.confirm(challenge)
    broker.clock.advance(5 * MINUTE + 1000)
    assert person.authorize(session, payment)["outcome"] == "step_up"
    assert log.events(person.account, "payment_permitted") == []


# --- S2 ---

def test_S2_a_login_is_no_approval(broker, shop, person, log):
    """What the provider signed, fresh and right, answers no challenge; nor does a session's or payment's id."""
    session = person.session()
    _, challenge = asked(person, session)
    token = broker.provider.token(person.subject, "any")
    error = shop.fails("StepUp.Respond", challenge=challenge, answers=[{"step": person.totp.id, "value": token}])
    assert error.name == "InvalidParameter"
    for value in (session[:60], challenge[:60], token[:60]):
        assert respond(shop, challenge, person.totp.id, value)["state"] == "open"
    assert log.reasons(person.account, "factor_failed") == ["factor_rejected"] * 3


def test_S2_an_approval_is_no_login(shop, person, log):
    """A completed challenge opens no session, and is no session."""
    session = person.session()
    payment, challenge = asked(person, session)
    person.confirm(challenge)
    assert shop.fails("Sessions.Take", sign_in=challenge).name == "NotFound"
    for wrong in (challenge, challenge.replace(challenge.split("_")[0], session.split("_")[0])):
        try:
            answer = person.authorize(wrong, payment)
        except VarlinkError as error:
            assert error.name == "NotFound"
        else:
            assert answer["outcome"] == "deny", answer
    assert log.events(person.account, "payment_permitted") == []


# --- S4 ---

def test_S4_one_code_is_good_for_one_challenge(shop, person):
    """Twice in one call it is no answer; in another challenge it is used."""
    session = person.session()
    payment, challenge = asked(person, session)
    code = person.totp.code()
    error = shop.fails("StepUp.Respond", challenge=challenge,
                       answers=[{"step": person.totp.id, "value": code}, {"step": person.totp.id, "value": code}])
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "answers")
    assert respond(shop, challenge, person.totp.id, code)["state"] == "done"
    assert person.authorize(session, payment)["outcome"] == "permit"
    other, challenge = asked(person, session)
    assert respond(shop, challenge, person.totp.id, code)["state"] == "open"


# --- S5 ---

def test_S5_a_session_enrols_no_factor(shop, person, log):
    """Signed in with the stolen ID, the thief may ask; only a factor that is there already says yes."""
    person.session()
    begun = shop.call("Factors.Begin", account=person.account, kind="totp", label="thief", proof="signed in")
    assert (begun["outcome"], "enrolment" in begun) == ("step_up", False)
    assert log.events(person.account, "factor_enrolled") == []


def test_S5_enrolled_by_another_accounts_yes(broker, shop, person, log):
    thief = broker.person(linked=False)
    begun = shop.call("Factors.Begin", account=thief.account, kind="totp", label="b")
    thief.confirm(begun["challenge"]["id"])
    error = shop.fails("Factors.Begin", account=person.account, kind="totp", label="b",
                       challenge=begun["challenge"]["id"])
    assert (error.name, error.parameters) == ("NotFound", {"what": "challenge"})
    assert log.events(person.account, "factor_enrolled") == []
    log.strangers("checkout", "challenge")


def test_S5_enrolled_by_the_yes_to_the_owners_own_factor(shop, person, log):
    """The thief, signed in with the stolen ID, asks for the same as the owner, before and after the owner's yes."""
    wanted = {"account": person.account, "kind": "totp", "label": "phone"}
    owners = shop.call("Factors.Begin", **wanted)["challenge"]["id"]
    thiefs = shop.call("Factors.Begin", **wanted)["challenge"]["id"]
    assert thiefs != owners
    person.confirm(owners)
    for rest in ({}, {"challenge": thiefs}):
        begun = shop.call("Factors.Begin", **wanted, **rest)
        assert (begun["outcome"], "enrolment" in begun) == ("step_up", False)
    assert "enrolment" in shop.call("Factors.Begin", **wanted, challenge=owners)
    assert log.events(person.account, "factor_enrolled") == []


def test_S5_enrolled_by_a_yes_to_a_payment(shop, person, log):
    _, challenge = asked(person, person.session())
    person.confirm(challenge)
    begun = shop.call("Factors.Begin", account=person.account, kind="totp", label="b", challenge=challenge)
    assert "enrolment" not in begun and begun["outcome"] != "permit"
    assert log.events(person.account, "factor_enrolled") == []


def test_S5_removed_without_a_yes(shop, person, log):
    answer = shop.call("Factors.Remove", factor=person.totp.id)
    assert answer["outcome"] in ("step_up", "deny")
    assert log.events(person.account, "factor_removed") == []
    assert [f["id"] for f in shop.call("Factors.List", account=person.account)["factors"]] == [person.totp.id]


# --- S6 ---

def test_S6_a_fresh_iat_is_no_fresh_sign_in(broker, shop, person, log):
    """The token is minted now, but the user signed in 31 days ago: the stack wants at most 30."""
    old = int(broker.clock.now_ms() / 1000) - 31 * 86400
    opened = person.open(overrides={"auth_time": old})
    assert opened["outcome"] == "permit"
    answer = person.authorize(opened["session"], person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_expired")
    log.denied(person.account, "session_expired")


def test_S6_no_auth_time_is_no_sign_in_time(person, log):
    opened = person.open(overrides={"auth_time": None})
    answer = person.authorize(opened["session"], person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_expired")
    log.denied(person.account, "session_expired")


def test_S6_acr_of_a_token_decides_nothing(person, log):
    opened = person.open(overrides={"acr": "phrh", "amr": ["mfa", "hwk", "otp"]})
    answer = person.authorize(opened["session"], person.payment())
    assert (answer["outcome"], answer["reason"]) == ("step_up", "countersignature_required")


def test_S6_a_call_cannot_lower_what_is_asked(shop, person):
    session = person.session()
    for rest in ({"acr": "0"}, {"factors": 0}, {"stack": "other"}, {"max_age": 0}):
        error = shop.fails("Payments.Authorize", session=session, payment=person.payment(), **rest)
        assert error.name == "InvalidParameter"


# --- S7, S16 ---

def test_S7_prompts_are_not_without_number(shop, person, log):
    """Open prompts of one link are few, and so are those of a day, however the thief refuses and asks again."""
    session = person.session()
    opened = 0
    while opened < 100:
        answer = person.authorize(session, person.payment())
        if answer["outcome"] != "step_up":
            break
        opened += 1
        shop.call("StepUp.Refuse", challenge=answer["challenge"]["id"])
    assert answer["outcome"] == "deny" and answer["reason"] in ("prompt_budget", "full"), answer
    assert opened < 100
    assert log.last(person.account, "denied")["reason"] == answer["reason"]


def test_S7_not_me_freezes(shop, person, log):
    session = person.session()
    payment, challenge = asked(person, session)
    shop.call("StepUp.Refuse", challenge=challenge, report=True)
    answer = person.authorize(session, payment)
    assert answer["outcome"] == "deny"
    assert person.open()["outcome"] == "deny"
    assert log.events(person.account, "not_me")
    assert log.last(person.account, "denied")


def test_S7_an_answer_after_not_me_says_nothing(shop, person, log):
    _, challenge = asked(person, person.session())
    shop.call("StepUp.Refuse", challenge=challenge, report=True)
    assert respond(shop, challenge, person.totp.id, person.totp.code())["state"] == "refused"
    assert log.events(person.account, "challenge_answered") == []


def test_S16_a_stolen_id_does_not_fill_the_owners_prompts(person, log):
    """Whatever the thief opens through one link, the owner's other link still gets its prompt."""
    person.link(subject="owners-" + person.subject)
    thiefs, own = person.session(), person.session(subject="owners-" + person.subject)
    for _ in range(30):
        answer = person.authorize(thiefs, person.payment())
    assert answer["outcome"] == "deny" and answer["reason"] in ("full", "prompt_budget"), answer
    log.denied(person.account, answer["reason"])
    person.spend(own, "5.00")


def test_S16_a_locked_factor_comes_back(broker, shop, person, log):
    """Locks are timed: the thief's wrong answers stop the owner for a minute, not for good."""
    session = person.session()
    payment, challenge = asked(person, session)
    for _ in range(5):
        locked = respond(shop, challenge, person.totp.id, person.totp.wrong())
    assert locked["attempts_left"] == 0
    assert log.reasons(person.account, "factor_failed") == ["factor_rejected"] * 5
    broker.clock.advance(2 * MINUTE)
    session = person.session()
    person.spend(session, "5.00")


# --- S10 ---

def test_S10_a_code_is_used_once(shop, person, log):
    session = person.session()
    code = person.totp.code()
    payment, challenge = asked(person, session)
    assert respond(shop, challenge, person.totp.id, code)["state"] == "done"
    other, challenge = asked(person, session)
    assert respond(shop, challenge, person.totp.id, code)["state"] == "open"
    assert log.reasons(person.account, "factor_failed") == ["factor_rejected"]


def test_S10_an_older_code_than_the_last_is_over(broker, shop, person, log):
    """Within the drift, but before the last step that was used."""
    session = person.session()
    broker.clock.advance(3 * 30_000)
    step = person.totp.step()
    _, challenge = asked(person, session)
    assert respond(shop, challenge, person.totp.id, person.totp.at(step))["state"] == "done"
    _, challenge = asked(person, session)
    assert respond(shop, challenge, person.totp.id, person.totp.at(step - 1))["state"] == "open"
    assert log.reasons(person.account, "factor_failed") == ["factor_rejected"]
    person.totp.used = step


@pytest.mark.parametrize("away", [-100, -3, 3, 100])
def test_S10_codes_of_other_times_are_wrong(shop, person, log, away):
    _, challenge = asked(person, person.session())
    assert respond(shop, challenge, person.totp.id, person.totp.at(person.totp.step() + away))["state"] == "open"
    assert log.reasons(person.account, "factor_failed") == ["factor_rejected"]


def test_S10_a_clock_that_goes_back_revives_no_code(broker, shop, person, log):
    """Wall clock set back alone: nothing is decided. Both clocks back (another machine's): the step stays used."""
    session = person.session()
    _, challenge = asked(person, session)
    code = person.totp.code()
    assert respond(shop, challenge, person.totp.id, code)["state"] == "done"
    wall, boot = broker.clock._offsets()
    try:
        broker.clock.set(wall - HOUR, boot)
        answer = person.authorize(session, person.payment())
        assert (answer["outcome"], answer["reason"]) == ("deny", "clock")
    finally:
        broker.clock.set(wall, boot)
    log.denied(person.account, "clock")
    payment = person.payment()
    answer = person.authorize(session, payment)
    assert answer["outcome"] == "step_up"
    assert respond(shop, answer["challenge"]["id"], person.totp.id, code)["state"] == "open"


# --- S14 ---

def test_S14_parallel_guesses_are_counted_before_they_are_answered(broker, shop, person, log):
    """Forty connections guess at once, the right code among them last: five are counted, then even that is refused."""
    session = person.session()
    _, challenge = asked(person, session)
    wrong, right = person.totp.wrong(), person.totp.at(person.totp.step())
    clients = [broker.connect() for _ in range(40)]
    guesses = [wrong] * 30 + [right] * 10
    # One is through before the others come, so that the right one is not the first by chance.
    for client, guess in zip(clients[:5], guesses[:5]):
        client.send("StepUp.Respond", challenge=challenge, answers=[{"step": person.totp.id, "value": guess}])
    answers = [client.receive() for client in clients[:5]]
    for client, guess in zip(clients[5:], guesses[5:]):
        client.send("StepUp.Respond", challenge=challenge, answers=[{"step": person.totp.id, "value": guess}])
    answers += [client.receive() for client in clients[5:]]
    assert all(answer["state"] != "done" for answer in answers)
    assert all("attempts_left" in answer for answer in answers)
    assert len(log.events(person.account, "factor_failed")) == 5
    assert log.events(person.account, "challenge_answered") == []
    # The right code in a challenge of its own finds the factor locked.
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "factor_locked")
    log.denied(person.account, "factor_locked")


def test_S14_at_most_five_of_a_crowd_are_counted(broker, person, log):
    session = person.session()
    _, challenge = asked(person, session)
    wrong = person.totp.wrong()
    clients = [broker.connect() for _ in range(24)]
    for client in clients:
        for _ in range(3):
            client.send("StepUp.Respond", challenge=challenge, answers=[{"step": person.totp.id, "value": wrong}])
    for client in clients:
        for _ in range(3):
            assert client.receive()["state"] in ("open", "locked", "expired")
    assert len(log.events(person.account, "factor_failed")) == 5


def test_S14_guesses_over_many_challenges_lock_the_same_factor(shop, person, log):
    session = person.session()
    for i in range(5):
        _, challenge = asked(person, session)
        respond(shop, challenge, person.totp.id, person.totp.wrong())
        shop.call("StepUp.Refuse", challenge=challenge)
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "factor_locked")
    log.denied(person.account, "factor_locked")


def test_S14_a_restart_forgets_no_guess(broker, person, log):
    session = person.session()
    _, challenge = asked(person, session)
    for _ in range(4):
        respond(broker.service, challenge, person.totp.id, person.totp.wrong())
    broker.kill()
    broker.start()
    answer = respond(broker.service, challenge, person.totp.id, person.totp.wrong())
    assert (answer["state"], answer["attempts_left"]) != ("open", 4)
    assert answer["attempts_left"] == 0
    assert len(log.events(person.account, "factor_failed")) == 5


# --- S15 ---

def test_S15_the_first_factor_is_enrolled_once(shop, person, log):
    begun = shop.call("Factors.Begin", account=person.account, kind="totp", label="again", proof="passport")
    assert begun["outcome"] == "step_up"
    assert log.events(person.account, "factor_enrolled") == []


def test_S15_two_first_factors_at_once_are_one(broker, shop, nobody, log):
    """Both enrolments begin on an empty account; the second to finish is one too many."""
    begun = [shop.call("Factors.Begin", account=nobody.account, kind="totp", label=str(i), proof="p") for i in (1, 2)]
    assert [b["outcome"] for b in begun] == ["permit", "permit"]
    outcomes = []
    for b in begun:
        uri = next(s for s in b["steps"] if s["type"] == "show")["uri"]
        step = next(s for s in b["steps"] if s["type"] == "code")["id"]
        totp = Totp(broker.clock, uri)
        outcomes.append(shop.call("Factors.Finish", enrolment=b["enrolment"],
                                  answers=[{"step": step, "value": totp.code()}]))
    assert [o["outcome"] for o in outcomes] == ["permit", "deny"]
    assert outcomes[1]["reason"] == "factor_exists"
    assert len(log.events(nobody.account, "factor_enrolled")) == 1


def test_S15_removing_all_factors_reopens_nothing(shop, person, log):
    answer = shop.call("Factors.Remove", factor=person.totp.id)
    if answer["outcome"] == "step_up":
        person.confirm(answer["challenge"]["id"])
        shop.call("Factors.Remove", factor=person.totp.id, challenge=answer["challenge"]["id"])
    begun = shop.call("Factors.Begin", account=person.account, kind="totp", label="thief", proof="passport")
    assert "enrolment" not in begun and begun["outcome"] != "permit"
    assert log.events(person.account, "factor_enrolled") == []
