# SPDX-License-Identifier: Apache-2.0
"""Attacks on codes that are sent: taken elsewhere, kept too long, guessed, and made to carry what they should not."""
import itertools
import threading

import pytest

from correspondent import Correspondent, Post, code_of
from harness import VarlinkError

addresses = (f"alice{n}@mail.example" for n in itertools.count(1))


@pytest.fixture(scope="module")
def post():
    post = Post("mail")
    yield post
    log = post.broker.log()
    assert post.stop() == 0, log


@pytest.fixture
def broker(post):
    """For the log."""
    return post.broker


@pytest.fixture
def alice(post):
    return Correspondent(post, next(addresses))


def test_s1_a_code_of_another_challenge_countersigns_nothing(alice, log):
    first, second = alice.prompt(), alice.prompt("900.00")
    alice.begin(first)
    code = alice.code()
    # Not begun: not even looked at.
    assert alice.answer(second, code)["state"] == "open"
    alice.begin(second)
    if code != alice.code():
        assert alice.answer(second, code)["reason"] == "factor_rejected"
        assert log.events(alice.account, "factor_failed")
    assert alice.outcome() == "step_up"


def test_s1_a_code_of_another_account_countersigns_nothing(post, alice, log):
    mallory = Correspondent(post, next(addresses))
    theirs, hers = mallory.prompt(), alice.prompt()
    mallory.begin(theirs)
    alice.begin(hers)
    if mallory.code() != alice.code():
        assert alice.answer(hers, mallory.code())["reason"] == "factor_rejected"
    # Mallory's factor is no step of Alice's prompt.
    error = alice.service.fails("StepUp.Respond", challenge=hers, answers=[{"step": mallory.otp, "value": mallory.code()}])
    assert error.name in ("InvalidParameter", "NotFound")
    assert alice.outcome() == "step_up"


def test_s10_a_code_that_is_over_countersigns_nothing(post, alice):
    challenge = alice.prompt()
    alice.begin(challenge)
    code = alice.code()
    post.broker.clock.advance(300_000)
    assert alice.answer(challenge, code)["state"] != "done"
    assert alice.outcome() != "permit"


def test_s10_a_code_works_once(alice):
    challenge = alice.prompt()
    alice.begin(challenge)
    code = alice.code()
    assert alice.answer(challenge, code)["state"] == "done"
    assert alice.outcome() == "permit"
    challenge = alice.prompt()
    alice.begin(challenge)
    if code != alice.code():
        assert alice.answer(challenge, code)["reason"] == "factor_rejected"


def test_s10_after_another_was_sent_the_code_before_is_void(post, alice):
    challenge = alice.prompt()
    alice.begin(challenge)
    old = alice.code()
    post.broker.clock.advance(30_000)
    alice.begin(challenge)
    if old != alice.code():
        assert alice.answer(challenge, old)["reason"] == "factor_rejected"
    assert alice.outcome() == "step_up"


def test_s14_codes_are_guessed_in_parallel(post, alice, log):
    """Twenty connections guess at once, the right code among them last: five are counted, and the lock holds for all."""
    challenge = alice.prompt()
    alice.begin(challenge)
    right, answers, start = alice.code(), [], threading.Barrier(20)

    def guess(n):
        service = post.broker.connect()
        start.wait()
        try:
            answers.append(alice.answer(challenge, f"{(int(right) + n) % 1_000_000:06}", service=service))
        except VarlinkError as error:
            answers.append({"state": "refused", "reason": str(error)})

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20 and not any(answer["state"] == "done" for answer in answers)
    assert len(log.events(alice.account, "factor_failed")) == 5
    assert alice.answer(challenge, right)["state"] == "locked"
    assert alice.outcome() != "permit"


def test_s7_nobody_is_flooded_with_codes(post, alice):
    sent = len(post.to(alice.address))
    challenge = alice.prompt()
    refused = 0
    for _ in range(30):
        refused += "reason" in alice.begin(challenge)
        post.broker.clock.advance(8_000)
    assert len(post.to(alice.address)) - sent <= 4 and refused >= 26


def test_s9_a_code_to_a_mailbox_of_the_provider_countersigns_nothing_of_its_links(post):
    """The sandbox controls sandbox.test: who has the ID reads the mail too."""
    alice = Correspondent(post)
    thief = alice.add("otp", f"{alice.subject}@mail.sandbox.test")
    challenge = alice.prompt()
    steps = alice.service.call("StepUp.Get", challenge=challenge)["steps"]
    assert thief not in [step["id"] for step in steps] and alice.totp.id in [step["id"] for step in steps]
    assert alice.begin(challenge, thief)["reason"] == "no_independent_factor"
    assert not [text for text in post.to(f"{alice.subject}@mail.sandbox.test") if "paying" in text]


def test_s11_a_mail_server_that_fails_is_never_a_yes(post, alice):
    for fault in ("refuse", "drop", "drop_in_data", "late_refusal"):
        challenge = alice.prompt()
        post.sink.faults = [fault]
        assert alice.service.fails("StepUp.Begin", challenge=challenge, step=alice.otp).name == "Unavailable"
        assert alice.answer(challenge, "000000")["state"] == "open"
        assert alice.outcome() == "step_up"


def test_l13_a_changed_address_is_a_new_factor_that_waits():
    post = Post("sms", cooling_off="24h")
    try:
        wang = Correspondent(post)
        old = wang.add("otp", "+8613800000001")
        post.broker.clock.advance(24 * 3_600_000)
        new = wang.add("otp", "+8613800000002")
        states = {f["id"]: f["state"] for f in wang.service.call("Factors.List", account=wang.account)["factors"]}
        assert (states[old], states[new]) == ("active", "cooling_off")
        steps = [step["id"] for step in wang.service.call("StepUp.Get", challenge=wang.prompt())["steps"]]
        assert old in steps and new not in steps
    finally:
        assert post.stop() == 0


ADDRESSES = ["a@mail.example\r\nBcc: b@evil.example", "a@mail.example>\r\nRCPT TO:<b@evil.example", "a@mail.example,b@evil.example",
             "a@mail.example\nSubject: x", "a@[127.0.0.1]", "\"a b\"@mail.example", "-f@mail.example", "a@mail.example\u2028x"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_x4_an_address_is_never_a_header(post, address):
    alice = Correspondent(post)
    connections = post.sink.connections
    with pytest.raises(VarlinkError) as refused:
        alice.start("otp", address)
    assert (refused.value.name, refused.value.parameters["field"]) == ("InvalidParameter", "address")
    assert post.sink.connections == connections


@pytest.mark.parametrize("name", ["Shop\r\nBcc: b@evil.example", "Shop\n.\r\nMAIL FROM:<b@evil.example>", "Shop\u202e00.05",
                                  "{code} {amount}", "=?UTF-8?B?QmNjOiBiQGV2aWwuZXhhbXBsZQ==?=", "a\\nb"])
def test_x4_a_payee_is_never_a_header_nor_a_template(post, alice, name):
    try:
        challenge = alice.prompt("20.00", name)
        alice.begin(challenge, language="en")
    except VarlinkError as refused:
        assert refused.name in ("InvalidParameter", "Unavailable"), refused
        assert all(name not in text for text in post.to(alice.address))
        return
    message = post.sink.messages[-1]
    assert message.recipients == [alice.address] and message.message["Bcc"] is None
    assert name in message.text and message.text.count("\n") <= 1
    assert alice.answer(challenge, code_of(message.text.replace(name, "")))["state"] == "done"


def test_s7_enrolments_send_no_more_than_they_may(post):
    """Whoever opens accounts has codes sent to a stranger: four enrolments at a time, twelve codes a day, and then none."""
    address, service = next(addresses), post.broker.service
    begin = {"account": "new-" + address, "kind": "otp", "address": address, "proof": "passport"}
    post.broker.clock.advance(86_400_000 - post.broker.clock.now_ms() % 86_400_000)
    for sent in (4, 8, 12, 12):
        for _ in range(4):
            if len(post.to(address)) < sent:
                service.call("Factors.Begin", **begin)
        assert service.fails("Factors.Begin", **begin).name == "TooMany"
        assert len(post.to(address)) == sent
        post.broker.clock.advance(601_000)


def test_s3_an_address_that_changes_after_the_yes(alice):
    """The owner's yes is to the address that the card hints at, and to no other that the asker comes with later."""
    begin = {"account": alice.account, "kind": "otp", "label": "mail", "address": "alice@mail.example"}
    challenge = alice.service.call("Factors.Begin", **begin)["challenge"]["id"]
    card = alice.service.call("StepUp.Get", challenge=challenge)["card"]
    assert card["label"] == "otp: mail (al***le)"
    alice.confirm(challenge)
    for address in ("mallory@mail.example", "alice@evil.example"):
        begun = alice.service.call("Factors.Begin", **{**begin, "address": address}, challenge=challenge)
        assert "enrolment" not in begun and begun["outcome"] != "permit"
    assert "enrolment" in alice.service.call("Factors.Begin", **begin, challenge=challenge)
