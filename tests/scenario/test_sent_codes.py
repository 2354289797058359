# SPDX-License-Identifier: Apache-2.0
"""Payments that are countersigned by a mailed code, by a text message, and by a real PAM stack."""
import glob
import itertools
import os

import pytest

from correspondent import OATH_KEY, Correspondent, Post, hotp
from harness import BUILD

PLUGIN = os.path.join(BUILD, "plugins", ".libs", "pam.so")
OATH = os.path.exists(PLUGIN) and (glob.glob("/lib/*/security/pam_oath.so") + glob.glob("/usr/lib/*/security/pam_oath.so"))[:1]
SERVICE = "auth required pam_oath.so usersfile={directory}/users window=20 digits=6\naccount required pam_permit.so\n"
addresses = (f"alice{n}@mail.example" for n in itertools.count(1))
numbers = (f"+86138{n:08}" for n in itertools.count(1))


@pytest.fixture(scope="module")
def mail():
    post = Post("mail", service=SERVICE if OATH else None)
    yield post
    log = post.broker.log()
    assert post.stop() == 0, log


@pytest.fixture(scope="module")
def sms():
    post = Post("sms")
    yield post
    log = post.broker.log()
    assert post.stop() == 0, log


def test_a_payment_by_mail(mail):
    alice = Correspondent(mail, next(addresses))
    challenge = alice.prompt("88.00", "Noodle Bar 面馆")
    step = alice.step(challenge)
    assert (step["kind"], step["type"], step["begin"], step["begun"]) == ("otp", "code", True, False)
    alice.begin(challenge, language="en")
    text = mail.to(alice.address)[-1]
    assert text.startswith("checkout: you are paying 88.00 CNY to Noodle Bar 面馆. Your code is ")
    step = alice.step(challenge)
    assert step["destination"] == "a***@mail.example" and step["sends_left"] == 3 and step["prompts"][0]["digits"] == 6
    assert alice.answer(challenge, alice.code())["state"] == "done"
    assert alice.outcome() == "permit"


def test_a_payment_by_text_message_in_chinese(sms):
    wang = Correspondent(sms, next(numbers))
    challenge = wang.prompt("88.00", "面馆")
    wang.begin(challenge, language="zh-CN")
    assert sms.to(wang.address)[-1].startswith("【checkout】您正在向“面馆”支付 88.00 CNY，验证码 ")
    assert wang.step(challenge)["destination"] == f"+86 138****{wang.address[-4:]}"
    assert wang.answer(challenge, wang.code())["state"] == "done"
    assert wang.outcome() == "permit"


def test_enrolment_says_what_a_text_message_is_worth(sms):
    wang = Correspondent(sms)
    number = next(numbers)
    begun = wang.start("otp", number[3:])  # without its country's code
    shown = next(step for step in begun["steps"] if step["type"] == "show")
    assert "SIM" in shown["text"]
    assert wang.finish(begun, "000000")["outcome"] != "permit"
    done = wang.finish(begun, sms.to(number)[-1].split("Your code is ")[1][:6])
    assert done["outcome"] == "permit", done


def test_what_is_no_payment_says_what_it_is(mail):
    alice = Correspondent(mail, next(addresses))
    asked = alice.service.call("Factors.Begin", account=alice.account, kind="totp", label="my new phone")
    alice.begin(asked["challenge"]["id"], language="en")
    text = mail.to(alice.address)[-1]
    assert text.startswith("checkout: add a way to confirm payments: totp: my new phone. Your code is "), text
    assert alice.answer(asked["challenge"]["id"], alice.code())["state"] == "done"


def test_the_owner_is_told_of_every_change(mail):
    """Whoever adds or removes a factor cannot do so unseen: the other channels hear of it."""
    alice = Correspondent(mail, next(addresses))
    second = next(addresses)
    begun = alice.start("otp", second)
    other = alice.finish(begun, mail.code(second))["factor"]["id"]
    told = mail.wait_for(alice.address, "a new way to confirm payments was added")
    assert told.startswith("Countersign: ") and "Not you?" in told
    challenge = alice.service.call("Factors.Remove", factor=other)["challenge"]["id"]
    alice.confirm(challenge)
    assert alice.service.call("Factors.Remove", factor=other, challenge=challenge)["outcome"] == "permit"
    mail.wait_for(alice.address, "a way to confirm payments was removed")


def test_sent_again_after_a_wait_and_the_code_before_is_void(mail):
    alice = Correspondent(mail, next(addresses))
    challenge = alice.prompt()
    alice.begin(challenge)
    first = alice.code()
    assert alice.begin(challenge)["reason"] == "prompt_budget"
    sent = len(mail.to(alice.address))
    mail.broker.clock.advance(30_000)
    alice.begin(challenge)
    assert len(mail.to(alice.address)) == sent + 1
    if first != alice.code():
        assert alice.answer(challenge, first)["reason"] == "factor_rejected"
    assert alice.answer(challenge, alice.code())["state"] == "done"


@pytest.mark.parametrize("fault", ["refuse", "drop", "tempfail", "drop_after_data"])
def test_a_mail_server_that_fails_is_unavailable_and_then_it_works(mail, fault):
    alice = Correspondent(mail, next(addresses))
    challenge = alice.prompt()
    sent = len(mail.to(alice.address))
    mail.sink.faults = [fault]
    error = alice.service.fails("StepUp.Begin", challenge=challenge, step=alice.otp)
    assert (error.name, error.parameters["what"]) == ("Unavailable", "factor")
    assert len(mail.to(alice.address)) == sent and not alice.step(challenge)["begun"]
    mail.broker.clock.advance(5_000)
    alice.begin(challenge)
    assert alice.answer(challenge, alice.code())["state"] == "done"


def test_a_factor_that_cannot_be_checked_again_stops_at_its_limit(sms):
    post = Post("mail", limit=50)
    try:
        alice = Correspondent(post, next(addresses))
        challenge = alice.prompt("60.00")
        assert alice.otp not in [step["id"] for step in alice.service.call("StepUp.Get", challenge=challenge)["steps"]]
        challenge = alice.prompt("40.00")
        alice.begin(challenge)
        assert alice.answer(challenge, alice.code())["state"] == "done"
        assert alice.outcome() == "permit"
    finally:
        assert post.stop() == 0


needs_oath = pytest.mark.skipif(not OATH, reason="there is no pam_oath, or no plugin pam: install libpam-oath and libpam0g-dev")
names = (f"user{n}" for n in itertools.count(1))


@pytest.fixture
def oath(mail):
    """Somebody whom pam_oath knows, with the factor enrolled by its first code."""
    name = next(names)
    mail.write("users", f"HOTP\t{name}\t-\t{OATH_KEY.hex()}\n")
    person = Correspondent(mail)
    person.pam = person.add("pam", name, hotp(0))
    return person


@needs_oath
def test_a_payment_by_pam_oath(oath):
    challenge = oath.prompt()
    begun = oath.begin(challenge, oath.pam)
    step = next(step for step in begun["steps"] if step["id"] == oath.pam)
    assert [prompt["type"] for prompt in step["prompts"]] == ["secret"]
    assert oath.answer(challenge, hotp(1), oath.pam)["state"] == "done"
    assert oath.outcome() == "permit"
    # pam_oath keeps its own book: the same code opens nothing else.
    challenge = oath.prompt()
    oath.begin(challenge, oath.pam)
    assert oath.answer(challenge, hotp(1), oath.pam)["reason"] == "factor_rejected"
    oath.begin(challenge, oath.pam)
    assert oath.answer(challenge, hotp(2), oath.pam)["state"] == "done"


@needs_oath
def test_five_wrong_answers_lock_pam_too(oath):
    challenge = oath.prompt()
    for _ in range(5):
        oath.begin(challenge, oath.pam)
        answer = oath.answer(challenge, "000000", oath.pam)
    assert answer["state"] == "locked", answer
    assert oath.outcome() != "permit"


ASKS = os.path.join(BUILD, "tests", "unit", ".libs", "pam_asks.so")


@pytest.mark.skipif(not os.path.exists(ASKS), reason="the module of the unit tests was not built: make check builds it")
def test_an_enrolment_and_a_payment_of_several_rounds():
    post = Post("mail", service=f"auth required {ASKS} do=serial\naccount required pam_permit.so\n")
    try:
        person = Correspondent(post)
        begun = person.start("pam", "alice")
        more = person.finish(begun, "secret")
        assert more["outcome"] == "step_up" and more["steps"][0]["label"] == "Which colour?", more
        done = person.finish({**more, "enrolment": begun["enrolment"]}, "blue")
        assert done["outcome"] == "permit", done
        pam, challenge = done["factor"]["id"], person.prompt()
        person.begin(challenge, pam)
        more = person.answer(challenge, "secret", pam)
        assert (more["state"], "reason" in more) == ("open", False)
        assert next(step for step in more["steps"] if step["id"] == pam)["prompts"] == [{"type": "text", "label": "Which colour?"}]
        assert person.answer(challenge, "blue", pam)["state"] == "done"
        assert person.outcome() == "permit"
    finally:
        assert post.stop() == 0
