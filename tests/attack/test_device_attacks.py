# SPDX-License-Identifier: Apache-2.0
"""Attacks on approvals that are given on another device than the one where the payment is made."""
import pytest

from test_approve import BROKER as APPROVE
from test_approve import I, make_owner, wrong_number

BROKER = APPROVE


@pytest.fixture
def owner(broker):
    return make_owner(broker)


def test_S7_an_owner_who_taps_something_to_be_rid_of_it_approves_nothing(owner, log):
    """A thief with the stolen ID floods; whoever taps a number that nobody showed them has two chances in three to end it."""
    session = owner.session()
    ended = 0
    while ended < 5:
        payment = owner.payment("500.00")
        challenge = owner.ask(payment, session)
        # The worst that can happen to the owner, without the one in three.
        answer = owner.device.approve(challenge, wrong_number(owner.device, challenge, owner.shown(challenge)))
        assert (answer["state"], answer["reason"]) == ("refused", "factor_rejected")
        assert owner.authorize(session, payment)["outcome"] != "permit"
        ended += 1
        assert len(log.events(owner.account, "factor_failed")) == ended
        assert len(log.events(owner.account, "challenge_refused")) == ended
    # After five the device is locked: there is nothing left to tap.
    assert owner.authorize(session, owner.payment("500.00"))["outcome"] == "deny"
    assert owner.device.open()["requests"] == []


def test_S7_no_second_choice_among_the_numbers_that_are_left(owner):
    challenge = owner.ask()
    request = owner.device.request(challenge)
    right = owner.shown(challenge)
    signed = {n["number"]: owner.device.passkey.sign(n["challenge"]) for n in request["numbers"]}
    first = next(n for n in signed if n != right)
    assert owner.device.answer(challenge, first, signed[first])["state"] == "refused"
    for number, value in signed.items():
        assert owner.device.answer(challenge, number, value)["state"] == "refused"
    assert owner.again()["outcome"] != "permit"


def test_S7_prompts_on_a_device_are_not_without_number(owner):
    session, opened = owner.session(), 0
    while opened < 100:
        answer = owner.authorize(session, owner.payment())
        if answer["outcome"] != "step_up":
            break
        opened += 1
        owner.device.refuse(answer["challenge"]["id"])
    assert answer["outcome"] == "deny" and opened < 100
    assert len(owner.device.open()["requests"]) == 0


def test_S7_not_me_on_the_device_freezes(owner, log):
    challenge = owner.ask()
    number = owner.shown(challenge)
    signed = owner.device.passkey.sign(
        next(n for n in owner.device.request(challenge)["numbers"] if n["number"] == number)["challenge"])
    assert owner.device.refuse(challenge, report=True)["state"] == "refused"
    assert owner.device.answer(challenge, number, signed)["state"] == "refused"
    assert log.events(owner.account, "not_me") and owner.open()["outcome"] == "deny"


def test_S8_the_device_names_service_payee_amount_and_id(owner):
    challenge = owner.ask(owner.payment("42.50", payee="m-9", name="Thief's Shop"))
    card = owner.device.request(challenge)["card"]
    named = {k: card[k] for k in ("service", "payee", "payee_id", "amount", "currency", "provider")}
    assert named == {"service": "checkout", "payee": "Thief's Shop", "payee_id": "m-9", "amount": "42.50", "currency": "CNY",
                     "provider": "sandbox"}


def test_S8_the_number_is_on_the_surface_where_it_was_asked_and_on_no_device(owner):
    """Who did not ask for it cannot tell the right number from what the device knows."""
    for _ in range(3):
        challenge = owner.ask()
        opened = owner.device.open()
        request = next(r for r in opened["requests"] if r["challenge"] == challenge)
        assert set(request) == {"challenge", "round", "card", "numbers"}
        assert all(set(n) == {"number", "challenge"} and len(n["challenge"]) == 64 for n in request["numbers"])
        assert len({n["challenge"] for n in request["numbers"]}) == 3
        owner.device.refuse(challenge)


def test_S8_a_relayed_passkey_is_of_another_origin(owner):
    """A page of the thief's that looks like /d, with the numbers and what is to be signed."""
    challenge = owner.ask()
    number = owner.shown(challenge)
    for origin in ("https://countersign.evil.example", owner.broker.url.replace("localhost", "localhost.evil.example")):
        answer = owner.device.approve(challenge, number, client={"origin": origin})
        assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert owner.again()["outcome"] == "step_up"


def test_S8_an_approval_is_for_this_payment_alone(owner):
    """The thief's surface has a dearer one open: the number and signature for the owner's own do not move it."""
    session = owner.session()
    own, thiefs = owner.payment("20.00"), owner.payment("900.00", payee="m-9", name="Thief's Shop")
    challenge, other = owner.ask(own, session), owner.ask(thiefs, session)
    number = owner.shown(challenge)
    signed = owner.device.passkey.sign(
        next(n for n in owner.device.request(challenge)["numbers"] if n["number"] == number)["challenge"])
    assert owner.device.answer(other, owner.shown(other), signed)["reason"] == "factor_rejected"
    assert owner.device.answer(challenge, number, signed)["state"] == "done"
    assert owner.authorize(session, thiefs)["outcome"] == "step_up"


def test_S8_a_captured_gateway_without_the_cookie_gets_nothing(owner):
    challenge = owner.ask()
    gateway = owner.broker.gateway()
    for cookie in ("", "a" * 103, owner.device.factor, challenge):
        for method, rest in (("DeviceOpen", {}), ("DeviceRefuse", {"challenge": challenge, "report": True})):
            error = gateway.fails(I + method, cookie=cookie, **rest)
            assert (error.name, error.parameters) == ("NotPermitted", {"right": "device"})
    assert owner.shown(challenge)
