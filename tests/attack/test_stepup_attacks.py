# SPDX-License-Identifier: Apache-2.0
"""Attacks on the countersignature: each test is named after its number in the list of attacks."""
import threading

import pytest

from harness import Totp


def begin_factor(person, **rest):
    return person.service.call("Factors.Begin", account=person.account, kind="totp", **rest)


def respond(person, challenge, value, step=None, client=None):
    return (client or person.service).call("StepUp.Respond", challenge=challenge,
                                           answers=[{"step": step or person.totp.id, "value": value}])


def ask(person, session, payment):
    answer = person.authorize(session, payment)
    assert answer["outcome"] == "step_up", answer
    return answer["challenge"]["id"]


def enrol_second(person):
    """Another app beside the first; gives both."""
    first = person.totp
    challenge = begin_factor(person)["challenge"]["id"]
    person.confirm(challenge)
    second = person.enrol(challenge=challenge)
    person.totp = first
    return first, second


def test_s1_approval_of_one_payment_permits_no_other(person):
    session = person.session()
    cheap, dear = person.payment("1.00"), person.payment("900.00")
    person.confirm(ask(person, session, cheap))
    assert person.authorize(session, dear)["outcome"] == "step_up"
    assert person.authorize(session, cheap)["outcome"] == "permit"


def test_s1_approval_in_one_session_permits_nothing_in_another(person):
    mine, thiefs = person.session(), person.session()
    payment = person.payment("20.00")
    person.confirm(ask(person, mine, payment))
    assert person.authorize(thiefs, payment)["outcome"] == "step_up"


def test_s1_approval_of_a_payment_adds_no_factor(person):
    session = person.session()
    challenge = ask(person, session, person.payment())
    person.confirm(challenge)
    assert begin_factor(person, challenge=challenge)["outcome"] == "step_up"


@pytest.mark.parametrize("change", [{"amount": "20.01"}, {"payee": {"id": "m-7", "name": "Another Shop"}},
                                    {"payee": {"id": "m-8", "name": "Corner Shop"}}])
def test_s3_what_changes_after_the_approval_is_not_approved(person, change):
    session = person.session()
    payment = person.payment("20.00")
    person.confirm(ask(person, session, payment))
    assert person.authorize(session, {**payment, **change})["outcome"] != "permit"
    assert person.authorize(session, payment)["outcome"] == "permit"


def test_s4_one_code_counts_once(person):
    """The same factor twice in one answer, where one is enough; and again when it is done."""
    session = person.session()
    challenge = ask(person, session, person.payment())
    code = person.totp.code()
    error = person.service.fails("StepUp.Respond", challenge=challenge, answers=[
        {"step": person.totp.id, "value": code}, {"step": person.totp.id, "value": code}])
    assert error.name == "InvalidParameter"
    assert respond(person, challenge, code)["state"] == "done"
    again = respond(person, challenge, person.totp.code())
    assert (again["state"], again["reason"]) == ("done", "challenge_expired")


def test_s5_a_session_alone_adds_and_removes_no_factor(person):
    person.session()
    assert begin_factor(person)["outcome"] == "step_up"
    assert person.service.call("Factors.Remove", factor=person.totp.id)["outcome"] == "step_up"


def test_s5_a_challenge_of_one_account_is_worth_nothing_on_another(broker, person):
    thief = broker.person(linked=False)
    challenge = begin_factor(thief)["challenge"]["id"]
    thief.confirm(challenge)
    error = person.service.fails("Factors.Begin", account=person.account, kind="totp", challenge=challenge)
    assert (error.name, error.parameters) == ("NotFound", {"what": "challenge"})
    error = person.service.fails("Factors.Remove", factor=person.totp.id, challenge=challenge)
    assert error.name == "NotFound"


def test_s5_a_factor_of_another_account_answers_nothing(broker, person):
    thief = broker.person(linked=False)
    challenge = begin_factor(person)["challenge"]["id"]
    error = person.service.fails("StepUp.Respond", challenge=challenge,
                                 answers=[{"step": thief.totp.id, "value": thief.totp.code()}])
    assert error.name == "NotFound"
    assert respond(person, challenge, thief.totp.code())["reason"] == "factor_rejected"


def test_s5_approval_to_remove_one_factor_removes_no_other(person):
    first, second = enrol_second(person)
    asked = person.service.call("Factors.Remove", factor=second.id)
    person.confirm(asked["challenge"]["id"])
    other = person.service.call("Factors.Remove", factor=first.id, challenge=asked["challenge"]["id"])
    assert other["outcome"] == "step_up"


def test_s7_prompts_of_one_link_end(person):
    session = person.session()
    outcomes = [person.authorize(session, person.payment()) for _ in range(8)]
    assert [o["outcome"] for o in outcomes[:5]] == ["step_up"] * 5
    assert {(o["outcome"], o["reason"]) for o in outcomes[5:]} == {("deny", "prompt_budget")}


def test_s7_a_refused_payment_is_not_asked_again(person):
    session = person.session()
    payment = person.payment()
    challenge = ask(person, session, payment)
    person.service.call("StepUp.Refuse", challenge=challenge)
    answer = person.authorize(session, payment)
    assert (answer["outcome"], answer["reason"]) == ("deny", "challenge_refused")


def test_s7_not_me_stops_the_link(person):
    session = person.session()
    challenge = ask(person, session, person.payment())
    person.service.call("StepUp.Refuse", challenge=challenge, report=True)
    assert person.authorize(session, person.payment())["outcome"] == "deny"


def test_s7_the_lock_holds_on_the_page_too(broker, person):
    session = person.session()
    challenges = [person.authorize(session, person.payment())["challenge"] for _ in range(2)]
    for _ in range(5):
        respond(person, challenges[0]["id"], person.totp.wrong())
    gateway, token = broker.gateway(), challenges[1]["url"].rpartition("/")[2]
    opened = gateway.call("Internal.PageOpen", token=token)
    assert opened["steps"] == []
    answer = gateway.call("Internal.PageRespond", token=token, cookie=opened["cookie"],
                          answers=[{"step": person.totp.id, "value": person.totp.code()}])
    assert (answer["state"], answer["reason"]) == ("open", "factor_locked") and answer["retry_after_ms"] > 0


def test_s10_a_code_is_good_once(person):
    session = person.session()
    code = person.totp.code()
    assert respond(person, ask(person, session, person.payment()), code)["state"] == "done"
    again = respond(person, ask(person, session, person.payment()), code)
    assert (again["state"], again["reason"]) == ("open", "factor_rejected")


def test_s10_the_code_of_the_enrolment_is_used_up(broker, nobody):
    nobody.enrol()
    challenge = begin_factor(nobody)["challenge"]["id"]
    code = nobody.totp.at(nobody.totp.used)
    assert respond(nobody, challenge, code)["reason"] == "factor_rejected"


def test_s10_an_older_code_after_a_newer_one_is_wrong(person):
    session = person.session()
    older = person.totp.code()
    newer = person.totp.code()
    assert respond(person, ask(person, session, person.payment()), newer)["state"] == "done"
    assert respond(person, ask(person, session, person.payment()), older)["reason"] == "factor_rejected"


@pytest.mark.parametrize("steps", [-3, -2, 3, 4])
def test_s10_codes_outside_the_window_are_wrong(person, steps):
    challenge = begin_factor(person)["challenge"]["id"]
    person.broker.clock.advance(120_000)
    code = person.totp.at(person.totp.step() + steps)
    assert respond(person, challenge, code)["reason"] == "factor_rejected"


def test_s14_guesses_in_parallel_are_counted_one_by_one(broker, person):
    challenge = begin_factor(person)["challenge"]["id"]
    wrong, answers, lock = person.totp.wrong(), [], threading.Lock()

    def guess():
        client = broker.connect()
        try:
            answer = respond(person, challenge, wrong, client=client)
        finally:
            client.close()
        with lock:
            answers.append(answer)

    threads = [threading.Thread(target=guess) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(answers) == 30
    assert sum(a["reason"] == "factor_rejected" for a in answers) == 5
    assert respond(person, challenge, person.totp.code())["state"] == "locked"


def test_s14_guesses_at_an_enrolment_are_counted_one_by_one(broker, nobody):
    begun = begin_factor(nobody)
    answers = [{"step": "2", "value": "000000"}]
    clients = [broker.connect() for _ in range(12)]
    for c in clients:
        c.send("Factors.Finish", enrolment=begun["enrolment"], answers=answers)
    rejected = 0
    for c in clients:
        try:
            rejected += c.receive()["reason"] == "factor_rejected"
        except Exception as error:
            assert getattr(error, "name", "") in ("Conflict", "NotFound")
    assert rejected <= 5


def test_s15_removing_the_last_factor_does_not_reopen_enrolment(person):
    asked = person.service.call("Factors.Remove", factor=person.totp.id)
    person.confirm(asked["challenge"]["id"])
    removed = person.service.call("Factors.Remove", factor=person.totp.id, challenge=asked["challenge"]["id"])
    assert removed["outcome"] == "permit"
    answer = begin_factor(person)
    assert (answer["outcome"], answer["reason"]) == ("deny", "no_independent_factor")


def test_s15_two_first_factors_at_once_are_one(broker, nobody):
    begun = [begin_factor(nobody) for _ in range(2)]
    totps = [Totp(broker.clock, b["steps"][0]["uri"]) for b in begun]
    done = [nobody.service.call("Factors.Finish", enrolment=b["enrolment"],
                                answers=[{"step": "2", "value": t.code()}]) for b, t in zip(begun, totps)]
    assert (done[0]["outcome"], done[0]["reason"]) == ("permit", "first_factor")
    assert (done[1]["outcome"], done[1]["reason"]) == ("deny", "factor_exists")
    assert len(nobody.service.call("Factors.List", account=nobody.account)["factors"]) == 1


def test_s16_one_links_prompts_leave_room_for_another(broker, person):
    thiefs = person.session()
    for _ in range(8):
        person.authorize(thiefs, person.payment())
    assert begin_factor(person)["outcome"] == "step_up"


def test_s16_a_lock_is_timed(person):
    session = person.session()
    challenge = ask(person, session, person.payment())
    for _ in range(5):
        respond(person, challenge, person.totp.wrong())
    person.broker.clock.advance(61_000)
    assert respond(person, ask(person, session, person.payment()), person.totp.code())["state"] == "done"


def test_s16_another_factor_answers_while_one_is_locked(person):
    first, second = enrol_second(person)
    session = person.session()
    challenge = ask(person, session, person.payment())
    for _ in range(5):
        respond(person, challenge, first.wrong(), step=first.id)
    again = ask(person, session, person.payment())
    assert respond(person, again, second.code(), step=second.id)["state"] == "done"


def page_of(person):
    return begin_factor(person)["challenge"]["url"].rpartition("/")[2]


def test_s17_looking_consumes_and_reveals_nothing(broker, person):
    gateway, token = broker.gateway(), page_of(person)
    for _ in range(3):
        assert gateway.call("Internal.PageProbe", token=token) == {"state": "open", "kind": "step"}
    status, _, body = broker.web("GET", "/c/" + token, certificate=None)
    assert status == 200 and b"checkout" not in body and b"phone" not in body
    assert gateway.call("Internal.PageOpen", token=token)["state"] == "open"


@pytest.mark.parametrize("cookie", [None, "", "a" * 26, "b" * 27, "not base32!"])
def test_s17_the_first_browser_is_the_only_one(broker, person, cookie):
    gateway, token = broker.gateway(), page_of(person)
    mine = gateway.call("Internal.PageOpen", token=token)["cookie"]
    for method, rest in (("PageOpen", {}), ("PageRefuse", {"report": False}),
                         ("PageRespond", {"answers": [{"step": person.totp.id, "value": person.totp.code()}]})):
        if cookie is None and method != "PageOpen":
            continue
        assert gateway.fails("Internal." + method, token=token, cookie=cookie, **rest).name == "NotPermitted"
    assert gateway.call("Internal.PageOpen", token=token, cookie=mine)["state"] == "open"


def test_s17_nobody_answers_a_page_that_nobody_opened(broker, person):
    gateway, token = broker.gateway(), page_of(person)
    for cookie in ("", "a" * 26):
        assert gateway.fails("Internal.PageRespond", token=token, cookie=cookie,
                             answers=[{"step": person.totp.id, "value": person.totp.code()}]).name == "NotPermitted"


def test_s17_pages_are_for_the_gateway(broker, person):
    token = page_of(person)
    for client in (broker.service, broker.admin):
        assert client.fails("Internal.PageOpen", token=token).name == "NotPermitted"
