# SPDX-License-Identifier: Apache-2.0
"""One prompt: shown, answered, refused, watched; by the service or on the page."""
import re

import pytest

from harness import Browser


@pytest.fixture
def asked(broker):
    """Someone who is asked to confirm a second factor: (person, challenge)."""
    person = broker.person(linked=False)
    begun = person.service.call("Factors.Begin", account=person.account, kind="totp", label="tablet")
    return person, begun["challenge"]


def respond(person, challenge, value, step=None):
    return person.service.call("StepUp.Respond", challenge=challenge["id"],
                               answers=[{"step": step or person.totp.id, "value": value}])


def test_card_shows_who_asks_for_what(asked):
    person, challenge = asked
    shown = person.service.call("StepUp.Get", challenge=challenge["id"])
    card = shown["card"]
    assert (card["service"], card["what"], card["expires_at"]) == ("checkout", "factor", challenge["expires_at"])
    assert card["account_hint"] != person.account and "***" in card["account_hint"]
    step, = shown["steps"]
    assert (step["id"], step["kind"], step["type"], step["label"]) == (person.totp.id, "totp", "code", "phone")
    assert (shown["state"], shown["attempts_left"]) == ("open", 5)


def test_right_code_completes(asked):
    person, challenge = asked
    assert respond(person, challenge, person.totp.code())["state"] == "done"


def test_wrong_code_is_counted(asked):
    person, challenge = asked
    answer = respond(person, challenge, person.totp.wrong())
    assert (answer["state"], answer["reason"], answer["attempts_left"]) == ("open", "factor_rejected", 4)
    assert person.service.call("StepUp.Get", challenge=challenge["id"])["attempts_left"] == 4


def test_five_wrong_codes_lock(asked):
    person, challenge = asked
    for _ in range(5):
        answer = respond(person, challenge, person.totp.wrong())
    assert (answer["state"], answer["attempts_left"]) == ("locked", 0)
    factor, = person.service.call("Factors.List", account=person.account)["factors"]
    assert factor["state"] == "locked"


def test_locked_factor_waits_a_minute(asked):
    person, challenge = asked
    for _ in range(5):
        respond(person, challenge, person.totp.wrong())
    begin = {"account": person.account, "kind": "totp"}
    assert person.service.call("Factors.Begin", **begin)["reason"] == "factor_locked"
    person.broker.clock.advance(61_000)
    again = person.service.call("Factors.Begin", **begin)["challenge"]
    assert respond(person, again, person.totp.code())["state"] == "done"


def test_refused_is_refused(asked):
    person, challenge = asked
    assert person.service.call("StepUp.Refuse", challenge=challenge["id"]) == {"state": "refused"}
    answer = respond(person, challenge, person.totp.code())
    assert (answer["state"], answer["reason"]) == ("refused", "challenge_refused")


def test_reported_freezes(asked):
    person, challenge = asked
    person.service.call("StepUp.Refuse", challenge=challenge["id"], report=True)
    assert person.service.call("Accounts.Get", account=person.account)["frozen"] == ["account"]


def test_over_after_five_minutes(asked):
    person, challenge = asked
    person.broker.clock.advance(301_000)
    assert person.service.call("StepUp.Get", challenge=challenge["id"])["state"] == "expired"
    answer = respond(person, challenge, person.totp.code())
    assert (answer["state"], answer["reason"]) == ("expired", "challenge_expired")


def test_watch_hears_of_the_answer(asked):
    person, challenge = asked
    watch = person.broker.connect().watch("StepUp.Watch", challenge=challenge["id"])
    assert next(watch) == {"state": "open"}
    respond(person, challenge, person.totp.code())
    assert list(watch) == [{"state": "done"}]


def test_watch_hears_of_the_refusal(asked):
    person, challenge = asked
    watch = person.broker.connect().watch("StepUp.Watch", challenge=challenge["id"])
    assert next(watch) == {"state": "open"}
    person.service.call("StepUp.Refuse", challenge=challenge["id"])
    assert list(watch) == [{"state": "refused"}]


def test_watch_hears_that_time_is_over(asked):
    person, challenge = asked
    watch = person.broker.connect().watch("StepUp.Watch", challenge=challenge["id"])
    assert next(watch) == {"state": "open"}
    person.broker.clock.advance(301_000)
    assert list(watch) == [{"state": "expired"}]


def test_watch_without_more_answers_once(asked):
    person, challenge = asked
    assert person.service.call("StepUp.Watch", challenge=challenge["id"]) == {"state": "open"}


def test_watcher_that_leaves_does_no_harm(asked):
    person, challenge = asked
    for _ in range(3):
        client = person.broker.connect()
        client.send("StepUp.Watch", True, challenge=challenge["id"])
        client.receive()
        client.close()
    assert respond(person, challenge, person.totp.code())["state"] == "done"


def test_two_answers_to_one_step_are_none(asked):
    person, challenge = asked
    error = person.service.fails("StepUp.Respond", challenge=challenge["id"], answers=[
        {"step": person.totp.id, "value": person.totp.wrong()}, {"step": person.totp.id, "value": "000000"}])
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "answers")
    assert person.service.call("StepUp.Get", challenge=challenge["id"])["attempts_left"] == 5


def test_an_answer_that_was_sent_twice_counts_once(asked):
    person, challenge = asked
    shown = person.service.call("StepUp.Get", challenge=challenge["id"])
    answers = [{"step": person.totp.id, "value": person.totp.wrong()}]
    first = person.service.call("StepUp.Respond", challenge=challenge["id"], answers=answers, round=shown["round"])
    again = person.service.call("StepUp.Respond", challenge=challenge["id"], answers=answers, round=shown["round"])
    assert (first["reason"], first["attempts_left"]) == ("factor_rejected", 4)
    assert ("reason" in again, again["attempts_left"], again["round"]) == (False, 4, first["round"])


def test_a_code_needs_no_beginning(asked):
    person, challenge = asked
    error = person.service.fails("StepUp.Begin", challenge=challenge["id"], step=person.totp.id)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "step")


@pytest.mark.parametrize("answers", [[], [{"step": "x"}], [{"step": "x", "value": "1" * 12289}], ["x"],
                                     [{"step": "x", "value": "1"}] * 17,
                                     [{"step": x, "value": "1"} for x in "abcde"],
                                     [{"step": "x", "value": "1", "prompt": 4}],
                                     [{"step": "x", "value": "1", "prompt": 1}, {"step": "x", "value": "1"}],
                                     [{"step": "x", "value": "1\n2", "prompt": n} for n in (0, 1)]])
def test_malformed_answers_are_named(asked, answers):
    person, challenge = asked
    error = person.service.fails("StepUp.Respond", challenge=challenge["id"], answers=answers)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "answers")


def test_answers_with_other_factors_are_not_found(asked):
    person, challenge = asked
    stranger = person.broker.person(linked=False)
    for step in (stranger.totp.id, "fact_", "x"):
        error = person.service.fails("StepUp.Respond", challenge=challenge["id"],
                                     answers=[{"step": step, "value": "123456"}])
        assert (error.name, error.parameters) == ("NotFound", {"what": "step"})


def test_challenge_of_another_service_does_not_exist(asked, market):
    person, challenge = asked
    for method, rest in (("Get", {}), ("Refuse", {}), ("Watch", {}),
                         ("Respond", {"answers": [{"step": person.totp.id, "value": person.totp.code()}]})):
        assert market.fails("StepUp." + method, challenge=challenge["id"], **rest).name == "NotFound"


def token_of(challenge):
    return challenge["url"].rpartition("/")[2]


def test_page_probe_reveals_nothing(asked, broker):
    _, challenge = asked
    gateway = broker.gateway()
    assert gateway.call("Internal.PageProbe", token=token_of(challenge)) == {"state": "open", "kind": "step"}
    assert gateway.call("Internal.PageProbe", token="a" * 26) == {"state": "unknown", "kind": "step"}
    for token in ("a", "a" * 25, "a" * 27, "!" * 26, ""):
        assert gateway.call("Internal.PageProbe", token=token) == {"state": "malformed", "kind": "step"}


def test_page_belongs_to_one_browser(asked, broker):
    _, challenge = asked
    gateway, token = broker.gateway(), token_of(challenge)
    cookie = gateway.call("Internal.PageOpen", token=token)["cookie"]
    for other in (None, "a" * 26, "", cookie[:-1], cookie + "a"):
        assert gateway.call("Internal.PageProbe", token=token, cookie=other) == {"state": "foreign", "kind": "step"}
        assert gateway.fails("Internal.PageOpen", token=token, cookie=other).name == "NotPermitted"
        assert gateway.fails("Internal.PageRefuse", token=token, cookie=other or "x", report=True).name == "NotPermitted"
    assert gateway.call("Internal.PageProbe", token=token, cookie=cookie)["card"]["what"] == "factor"


def test_page_expires_and_is_remembered_for_an_hour(asked, broker):
    _, challenge = asked
    gateway, token = broker.gateway(), token_of(challenge)
    cookie = gateway.call("Internal.PageOpen", token=token)["cookie"]
    broker.clock.advance(6 * 60_000)
    gateway = broker.gateway()
    for call in (gateway.call("Internal.PageProbe", token=token), gateway.call("Internal.PageOpen", token=token)):
        assert call == {"state": "expired", "kind": "step"}
    assert gateway.call("Internal.PageProbe", token=token, cookie=cookie)["state"] == "expired"
    broker.clock.advance(61 * 60_000)
    gateway = broker.gateway()
    assert gateway.call("Internal.PageProbe", token=token, cookie=cookie)["state"] == "unknown"
    assert gateway.fails("Internal.PageOpen", token=token, cookie=cookie).name == "NotFound"


def test_page_that_was_replaced_or_used(asked, broker):
    person, challenge = asked
    gateway, old = broker.gateway(), token_of(challenge)
    cookie = gateway.call("Internal.PageOpen", token=old)["cookie"]
    again = person.service.call("Factors.Begin", account=person.account, kind="totp")["challenge"]
    if again["id"] == challenge["id"]:
        assert gateway.call("Internal.PageProbe", token=old, cookie=cookie) == {"state": "used", "kind": "step"}
        assert gateway.call("Internal.PageRefuse", token=old, cookie=cookie, report=True) == {"state": "used", "kind": "step"}
    person.confirm(again["id"])
    assert gateway.call("Internal.PageProbe", token=token_of(again)) == {"state": "used", "kind": "step"}


def test_dead_links_in_the_browser(asked, broker):
    _, challenge = asked
    path = "/c/" + token_of(challenge)
    own = Browser(broker)
    assert own.post(path, do="open")[0] == 200 and Browser(broker).get(path)[0] == 403
    assert Browser(broker).post(path, do="open")[0] == 403
    assert own.get(path)[0] == 200 and "checkout" in own.get(path)[2]
    assert Browser(broker).get("/c/" + "a" * 26)[0] == 404
    assert Browser(broker).get("/c/x")[0] == 400 and Browser(broker).post("/c/x", do="open")[0] == 400
    broker.clock.advance(6 * 60_000)
    assert Browser(broker).get(path)[0] == 410 and "expired" in Browser(broker).post(path, do="open")[2]


def test_page_confirms(asked, broker):
    person, challenge = asked
    gateway, token = broker.gateway(), token_of(challenge)
    opened = gateway.call("Internal.PageOpen", token=token)
    assert (opened["state"], opened["card"]["what"]) == ("open", "factor")
    answer = gateway.call("Internal.PageRespond", token=token, cookie=opened["cookie"],
                          answers=[{"step": opened["steps"][0]["id"], "value": person.totp.code()}])
    assert answer["state"] == "done"
    assert gateway.call("Internal.PageOpen", token=token, cookie=opened["cookie"])["state"] == "done"
    assert person.service.call("StepUp.Get", challenge=challenge["id"])["state"] == "done"


def test_page_refuses_and_reports(asked, broker):
    person, challenge = asked
    gateway, token = broker.gateway(), token_of(challenge)
    cookie = gateway.call("Internal.PageOpen", token=token)["cookie"]
    assert gateway.call("Internal.PageRefuse", token=token, cookie=cookie, report=True)["state"] == "refused"
    assert person.service.call("Accounts.Get", account=person.account)["frozen"] == ["account"]


def test_page_in_the_browser(asked, broker):
    """As a browser sees it: a button first, then the card, then the code."""
    person, challenge = asked
    path = "/c/" + token_of(challenge)
    status, _, body = broker.web("GET", path, certificate=None)
    assert status == 200 and b"checkout" not in body
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, headers, body = broker.web("POST", path, b"do=open", certificate=None, headers=form)
    assert status == 200 and b"checkout" in body
    cookie = headers["Set-Cookie"].partition(";")[0]
    text = body.decode()
    proof = text.partition('name="proof" value="')[2].partition('"')[0]
    data = f"do=answer&proof={proof}&step1={person.totp.id}&code1={person.totp.code()}".encode()
    status, _, body = broker.web("POST", path, data, certificate=None, headers={**form, "Cookie": cookie})
    assert status == 200
    assert person.service.call("StepUp.Get", challenge=challenge["id"])["state"] == "done"


def test_a_double_submit_on_the_page_is_one_submit(asked, broker):
    person, challenge = asked
    path, browser = "/c/" + token_of(challenge), Browser(broker)
    _, _, text = browser.post(path, do="open")
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', text))
    for said in ("That was not right", "sent already", "sent already"):
        _, _, text = browser.post(path, **form, code1=person.totp.wrong(), do="answer")
        assert said in text
    assert person.service.call("StepUp.Get", challenge=challenge["id"])["attempts_left"] == 4
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', text))
    for _ in range(2):
        _, _, text = browser.post(path, **form, code1=person.totp.code(), do="answer")
        assert "Confirmed." in text
