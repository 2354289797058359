# SPDX-License-Identifier: Apache-2.0
"""What a person sees and types."""
import os
import signal

import pytest

from terminal import CODE, STEPUP, Challenge, plain
from fake_broker import Error

SMS = {"id": "fact_2", "factor": "fact_2", "kind": "otp", "type": "code", "label": "my phone", "begin": True}
PASSKEY = {"id": "fact_3", "factor": "fact_3", "kind": "webauthn", "type": "passkey", "label": "laptop",
           "challenge": "AAAA", "rp_id": "pay.example"}


def test_the_card_then_a_code(terminal):
    t = terminal(Challenge())
    card = plain(t.expect("> "))
    assert card.index("¥1,234.50 CNY") < card.index("A payment") < card.index("Corner Shop (m-7)") < card.index("checkout")
    for text in ("Apple ID", "ali…ce", "2099-11-22 14:32", "r  refuse", "n  this was not me", "Code from “phone”"):
        assert text in card
    assert not t.echoes()
    t.type("123 456")
    status, text = t.end()
    assert status == 0 and "Confirmed." in text
    assert "123" not in text
    assert t.broker.calls[-2][1] == {"challenge": "chal_1", "answers": [{"step": "fact_1", "value": "123456"}]}


def test_in_chinese(terminal):
    t = terminal(Challenge(), LC_ALL="zh_CN.UTF-8")
    card = plain(t.expect("> "))
    assert "¥1,234.50 人民币" in card and "收款方" in card and "r  拒绝" in card
    t.type("r")
    assert "已拒绝" in t.end()[1]


@pytest.mark.parametrize("environment, words", [
    ({"LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8"}, "付款"), ({"LC_ALL": "", "LANG": "zh_TW.utf8"}, "付款"),
    ({"LC_ALL": "", "LANG": "zh_CN.UTF-8", "LC_MESSAGES": "C.UTF-8"}, "A payment"),
    ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "CNY 1,234.50"), ({"LC_ALL": "zh_CN.GBK"}, "CNY 1,234.50"),
])
def test_the_locale_chooses(terminal, environment, words):
    assert words in plain(terminal(Challenge(), **environment).expect("> "))


@pytest.mark.parametrize("amount, currency, words", [
    ("5000", "JPY", "JP¥5,000 JPY"), ("0.01", "USD", "US$0.01 USD"), ("1000000.000", "KWD", "KWD 1,000,000.000"),
    ("999.99", "EUR", "€999.99 EUR"),
])
def test_amounts(terminal, amount, currency, words):
    assert words in plain(terminal(Challenge(card={"amount": amount, "currency": currency})).expect("> "))


def test_a_wrong_code_may_be_mended(terminal):
    t = terminal(Challenge())
    t.expect("> ")
    t.type("000000")
    assert "That was not right. Attempts left: 4" in plain(t.expect("> "))
    t.type("123456")
    assert t.end()[0] == 0


def test_five_wrong_codes(terminal):
    t = terminal(Challenge())
    for _ in range(5):
        t.expect("> ")
        t.type("000000")
    status, text = t.end()
    assert status == 4 and "Locked" in text


@pytest.mark.parametrize("key, report, words", [("r", False, "Refused. Nothing"), ("n", True, "the ID is frozen"),
                                                (":r", False, "Refused.")])
def test_refusing_takes_one_key(terminal, key, report, words):
    challenge = Challenge()
    t = terminal(challenge)
    t.expect("> ")
    t.type(key)
    status, text = t.end()
    assert status == 1 and words in text and challenge.refusals == [report]


def test_a_password_may_be_a_letter(terminal):
    challenge = Challenge({**CODE, "type": "secret"}, right=["r"])
    t = terminal(challenge)
    assert ":r refuse" in plain(t.expect("> "))
    t.type("r")
    assert t.end()[0] == 0 and challenge.refusals == []


def test_a_code_is_sent_and_sent_again(terminal):
    challenge = Challenge(SMS)
    t = terminal(challenge, LC_ALL="zh_CN.UTF-8")
    assert "验证码已发送至 +86 138****5678" in plain(t.expect("> "))
    t.type("s")
    assert "验证码已发送至" in plain(t.expect("> "))
    t.type("123456")
    assert t.end()[0] == 0
    assert challenge.begun == [{"challenge": "chal_1", "step": "fact_2", "language": "zh"}] * 2


def test_no_more_codes(terminal):
    answers = Challenge(SMS).answers()
    answers[STEPUP + "Begin"] = {"state": "open", "reason": "prompt_budget"}
    t = terminal(answers)
    status, text = t.end()
    assert status == 6 and "No more codes are sent" in text


def test_one_of_two_ways_and_back(terminal):
    challenge = Challenge(CODE, SMS)
    t = terminal(challenge)
    asked = plain(t.expect("> "))
    assert "1  phone" in asked and "2  my phone" in asked
    t.type("7")
    assert "one of the numbers" in t.expect("> ")
    t.type("2")
    t.expect("was sent to")
    t.expect("> ")
    t.type("b")
    t.expect("> ")
    t.type("1")
    t.expect("> ")
    t.type("123456")
    assert t.end()[0] == 0 and challenge.given == [[{"step": "fact_1", "value": "123456"}]]


def test_two_factors_in_one_answer(terminal):
    challenge = Challenge(CODE, {**SMS, "begin": False}, CODE | {"id": "fact_9", "label": "token"}, need=2,
                          right=["123456", "777"])
    t = terminal(challenge)
    t.expect("> ")
    t.type("2")
    assert "What else?" in t.expect("> ")
    t.type("1")
    t.expect("my phone")
    t.expect("> ")
    t.type("777")
    t.expect("> ")
    t.type("123456")
    assert t.end()[0] == 0
    assert challenge.given == [[{"step": "fact_2", "value": "777"}, {"step": "fact_1", "value": "123456"}]]


def test_a_conversation_with_several_prompts(terminal):
    prompts = [{"type": "show", "text": "Welcome\nto the bank"}, {"type": "text", "label": "Name"},
               {"type": "secret", "label": "Password"}, {"type": "choice", "label": "Where?", "choices": ["home", "work"]}]
    challenge = Challenge({**SMS, "type": "text", "begun": True, "prompts": prompts}, right=["ann", "pass word", "work"])
    t = terminal(challenge)
    assert "Welcome\r\nto the bank" in t.expect("Name")
    t.expect("> ")
    assert t.echoes()
    t.type("ann")
    t.expect("Password")
    t.expect("> ")
    assert not t.echoes()
    t.type("pass word")
    t.expect("2  work")
    t.expect("> ")
    t.type("2")
    assert t.end()[0] == 0
    assert challenge.given == [[{"step": "fact_2", "value": "ann", "prompt": 1}, {"step": "fact_2", "value": "pass word", "prompt": 2},
                                {"step": "fact_2", "value": "work", "prompt": 3}]]


def test_approval_on_a_device_shows_its_number(terminal):
    challenge = Challenge({**CODE, "type": "approve", "number": "47"})
    t = terminal(challenge)
    t.expect("47")
    t.expect("> ")
    challenge.state = "done"  # as the device has it
    status, text = t.end()
    assert status == 0 and "Confirmed." in text


def test_refusing_while_a_device_is_waited_for(terminal):
    challenge = Challenge({**CODE, "type": "approve", "number": "47"})
    t = terminal(challenge)
    t.expect("> ")
    t.type("n")
    assert t.end()[0] == 1 and challenge.refusals == [True]


def test_a_passkey_alone(terminal):
    status, text = terminal(Challenge(PASSKEY)).end()
    assert status == 6 and "needs a browser" in text


def test_expiry_while_it_is_looked_at(terminal):
    challenge = Challenge(card={"expires_at": "2020-01-01T00:00:00Z"})
    t = terminal(challenge)
    t.expect("> ")
    challenge.state = "expired"
    status, text = t.end()
    assert status == 3 and "expired" in text


@pytest.mark.parametrize("state, status", [("done", 0), ("used", 3), ("refused", 1), ("locked", 4), ("expired", 3)])
def test_what_is_over_is_said(terminal, state, status):
    challenge = Challenge()
    challenge.state = state
    assert terminal(challenge).end()[0] == status


@pytest.mark.parametrize("error, status", [
    (Error("NotFound", what="challenge"), 3), (Error("NotPermitted", right="respond"), 5), (Error("NotAuthenticated"), 5),
    (Error("Unavailable", what="store", retry_after_ms=5), 5), (b"garbage\0", 5),
])
def test_refusals_of_the_broker(terminal, error, status):
    done, text = terminal({STEPUP + "Get": error}).end()
    assert done == status and text.startswith("countersign-prompt: ")


def test_no_broker(terminal):
    t = terminal(Challenge(), "--socket", "/nonexistent/socket", "chal_1")
    assert t.end()[0] == 5


@pytest.mark.parametrize("args", [["a", "b"], ["--nonsense", "chal_1"], ["enrol", "totp"], ["--language", "fr", "chal_1"]])
def test_misuse(terminal, args):
    assert terminal(Challenge(), *args).end()[0] == 2


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was(terminal, sig):
    challenge = Challenge()
    t = terminal(challenge)
    t.expect("> ")
    # The terminal would go with its last user.
    held = os.open(f"/proc/{t.pid}/fd/0", os.O_RDWR | os.O_NOCTTY)
    assert not t.echoes()
    if sig == signal.SIGINT:
        t.key(b"\x03")
    else:
        os.kill(t.pid, sig)
    status = t.wait()
    assert t.echoes()
    os.close(held)
    assert status == -sig and challenge.refusals == [] and challenge.given == []


def test_the_end_of_input_leaves_it_open(terminal):
    challenge = Challenge()
    t = terminal(challenge)
    t.expect("> ")
    t.key(b"\x04")
    assert t.end()[0] == 6 and challenge.refusals == []


def test_no_color(terminal):
    assert "\x1b" in terminal(Challenge()).expect("> ")
    assert "\x1b" not in terminal(Challenge(), NO_COLOR="1").expect("> ")
    assert "\x1b" not in terminal(Challenge(), TERM="dumb").expect("> ")


EVIL = "\x1b[2J\x1b]0;pwned\x07"


@pytest.mark.parametrize("evil", [EVIL, "Shop\r\n  ¥0.01", "Shop\u202eCNY", "\u0085", "\u2066", "\x7f"])
@pytest.mark.parametrize("member", ["payee", "service", "provider_title", "amount", "worst_case"])
def test_hostile_names_are_not_shown_at_all(terminal, member, evil):
    """Attack X4: the broker never lets them in; one that gives them lies, and libcountersign believes no word of it."""
    t = terminal(Challenge(card={member: evil}))
    status, text = t.end()
    assert status == 5 and "control characters" in text and "\x1b" not in text and "\u202e" not in text


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_wide_and_odd_names(terminal, locale):
    name = "苹果商店" * 8 + "e\u0301\U0001f34e\\x1b"
    text = plain(terminal(Challenge(card={"payee": name}), LC_ALL=locale).expect("> "))
    assert (name in text) if locale == "C.UTF-8" else text.isascii()
