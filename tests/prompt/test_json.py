# SPDX-License-Identifier: Apache-2.0
"""--json: events and answers, a line each, and nothing else on either stream."""
import json

import pytest

from terminal import CARD, CODE, STEPUP, Challenge
from fake_broker import Error

PASSKEY = {"id": "fact_3", "factor": "fact_3", "kind": "webauthn", "type": "passkey", "label": "laptop",
           "challenge": "AAAA", "rp_id": "pay.example"}


def test_card_question_end(lines):
    challenge = Challenge()
    status, events = lines(challenge, [{"answer": "123456"}])
    assert status == 0
    card, ask, end = events
    assert card == {"event": "card", "state": "open", "attempts_left": 5, "card": CARD}
    assert ask == {"event": "ask", "type": "code", "text": "Code from “phone”", "step": "fact_1", "kind": "totp",
                   "label": "phone", "digits": 6, "hidden": True}
    assert end == {"event": "end", "text": "Confirmed.", "state": "done"}


@pytest.mark.parametrize("wish, status, refusals", [
    ("refuse", 1, [False]), ("not_me", 1, [True]), ("stop", 6, []),
])
def test_wishes(lines, wish, status, refusals):
    challenge = Challenge()
    assert lines(challenge, [{"do": wish}])[0] == status and challenge.refusals == refusals


def test_the_end_of_input_leaves_it_open(lines):
    challenge = Challenge()
    assert lines(challenge, [])[0] == 6 and challenge.refusals == [] == challenge.given


def test_a_passkey_is_passed_through(lines):
    answer = json.dumps({"id": "x", "type": "public-key"})
    challenge = Challenge(PASSKEY, right=[answer])
    status, events = lines(challenge, [{"answer": answer}])
    assert status == 0
    ask = next(e for e in events if e["event"] == "ask")
    assert (ask["type"], ask["challenge"], ask["rp_id"]) == ("passkey", "AAAA", "pay.example")


def test_a_choice_of_ways(lines):
    challenge = Challenge(PASSKEY, CODE)
    status, events = lines(challenge, [{"answer": 2}, {"do": "back"}, {"answer": "2"}, {"answer": "123456"}])
    assert status == 0 and events[1]["choices"] == ["laptop", "phone"]


@pytest.mark.parametrize("line", ["", "garbage", "[]", '{"answer": null}', '{"do": "approve"}', '{"answer": "1\\u0000"}',
                                  '{"answer": ' + '"' + "9" * 13000 + '"}'])
def test_a_line_that_is_no_answer(lines, line):
    challenge = Challenge()
    status, events = lines(challenge, [line, {"answer": "123456"}])
    assert status == 0 and len(challenge.given) == 1
    assert [e["event"] for e in events] == ["card", "ask", "failure", "end"]


def test_a_line_without_end(lines):
    assert lines(Challenge(), ["x" * 70000])[0] == 6


def test_failures_are_events(lines):
    status, events = lines({STEPUP + "Get": Error("NotFound", what="challenge")}, [])
    assert status == 3 and events == [{"event": "failure", "status": "not_found", "text": events[0]["text"]}]


def test_chinese(lines):
    _, events = lines(Challenge(), [{"answer": "123456"}], "--language", "zh", "chal_1", LC_ALL="C")
    assert events[-1]["text"] == "已确认。"


def test_somebody_who_says_nothing_is_not_asked_for_ever(lines):
    challenge = Challenge()
    status, events = lines(challenge, [{"answer": " "}] * 200)
    assert status == 6 and challenge.given == [] and len(events) < 100
