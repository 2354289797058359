# SPDX-License-Identifier: Apache-2.0
"""Payments that are approved on a registered device while another surface waits: by the number that is shown there and the
device's passkey, and by nothing less."""
import base64
import json
import os
import sys

import pytest

from harness import SOURCE, Person

sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))

from passkey import UP, Passkey, unb64  # noqa: E402

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
factor  required    stepup      factors=1
view    required    stepup      all=approve,totp
spend   requisite   session     max-age=30d
spend   required    stepup      any=approve
"""
BROKER = {"host": "localhost", "stack": STACK, "extra": """factor "approve" {
    plugin "approve" servers 1 deadline 20s cooling-off 0
    set rp-id "localhost"
    set origin "{url}"
}"""}
I = "Internal."


class Device:
    """A browser of its owner's with a passkey in it, as the gateway asks for it."""

    def __init__(self, broker, **passkey):
        self.gateway, self.url = broker.gateway(), broker.url
        self.passkey = Passkey("localhost", self.url, **passkey)
        self.cookie = self.factor = None

    def register(self, url):
        token = url.rpartition("/")[2]
        page = self.gateway.call(I + "EnrolOpen", token=token)
        step, = page["steps"]
        options = json.loads(step["options"])
        self.passkey.user_handle = unb64(options["user"]["id"])
        done = self.gateway.call(I + "EnrolAnswer", token=token, cookie=page["cookie"],
                                 answers=[{"step": step["id"], "value": self.passkey.register(options["challenge"])}])
        assert (done["state"], done["outcome"]) == ("done", "permit"), done
        self.cookie, self.factor = done["device"], done["factor"]["id"]
        return done

    def open(self):
        return self.gateway.call(I + "DeviceOpen", cookie=self.cookie)

    def request(self, challenge):
        return next(r for r in self.open()["requests"] if r["challenge"] == challenge)

    def answer(self, challenge, number, value, step=None, cookie=None, **rest):
        return self.gateway.call(I + "DeviceAnswer", cookie=cookie or self.cookie, challenge=challenge, number=int(number),
                                 answers=[{"step": step or self.factor, "value": value}], **rest)

    def approve(self, challenge, number, **changes):
        """Chooses the number and signs what it stands for."""
        chosen = next(n for n in self.request(challenge)["numbers"] if n["number"] == number)
        return self.answer(challenge, number, self.passkey.sign(chosen["challenge"], **changes))

    def refuse(self, challenge, report=False):
        return self.gateway.call(I + "DeviceRefuse", cookie=self.cookie, challenge=challenge, report=report)


class Owner(Person):
    def register(self, device, label="tablet"):
        """Registers a device; the service shows the page's URL, and the device opens it."""
        begun = self.service.call("Factors.Begin", account=self.account, kind="approve", label=label)
        self.confirm(begun["challenge"]["id"])
        begun = self.service.call("Factors.Begin", account=self.account, kind="approve", label=label,
                                  challenge=begun["challenge"]["id"])
        assert begun["outcome"] == "permit", begun
        device.register(begun["url"])
        return device

    def shown(self, challenge):
        """What the surface shows where the payment is made."""
        step, = self.service.call("StepUp.Get", challenge=challenge)["steps"]
        assert (step["kind"], step["type"]) == ("approve", "approve")
        return step["number"]

    def ask(self, payment=None, session=None):
        self.payment_asked = payment or self.payment()
        self.session_asked = session or self.session()
        answer = self.authorize(self.session_asked, self.payment_asked)
        assert answer["outcome"] == "step_up", answer
        return answer["challenge"]["id"]

    def again(self):
        return self.authorize(self.session_asked, self.payment_asked)


def make_owner(broker):
    owner = Owner(broker)
    owner.enrol()
    owner.link()
    owner.device = owner.register(Device(broker))
    return owner


@pytest.fixture
def owner(broker):
    return make_owner(broker)


def wrong_number(device, challenge, right):
    return next(n["number"] for n in device.request(challenge)["numbers"] if n["number"] != right)


def test_payment_approved_while_the_first_surface_watches(broker, owner):
    challenge = owner.ask(owner.payment("20.00"))
    watch = broker.connect().watch("StepUp.Watch", challenge=challenge)
    assert next(watch)["state"] == "open"
    request, = owner.device.open()["requests"]
    card = request["card"]
    assert (card["service"], card["payee"], card["amount"], card["currency"]) == ("checkout", "Corner Shop", "20.00", "CNY")
    numbers = [n["number"] for n in request["numbers"]]
    number = owner.shown(challenge)
    assert len(set(numbers)) == 3 and number in numbers and all(10 <= int(n) <= 99 for n in numbers)
    assert owner.device.approve(challenge, number)["state"] == "done"
    assert next(watch)["state"] == "done"
    permit = owner.again()
    assert (permit["outcome"], permit["reason"]) == ("permit", "countersigned")
    assert owner.device.open()["requests"] == []


def test_numbers_stay_the_same(owner):
    challenge = owner.ask()
    first = owner.device.open()
    assert owner.device.open() == first and owner.shown(challenge) == owner.shown(challenge)


def test_wrong_number_ends_the_challenge(owner):
    challenge = owner.ask()
    right = owner.shown(challenge)
    answer = owner.device.approve(challenge, wrong_number(owner.device, challenge, right))
    assert (answer["state"], answer["reason"]) == ("refused", "factor_rejected")
    assert owner.device.open()["requests"] == []
    # The right one comes too late.
    signed = owner.device.passkey.sign(b"x" * 48)
    assert owner.device.answer(challenge, right, signed)["state"] == "refused"
    assert owner.service.call("StepUp.Get", challenge=challenge)["state"] == "refused"


def test_five_wrong_numbers_lock_the_device(owner):
    for _ in range(5):
        challenge = owner.ask()
        owner.device.approve(challenge, wrong_number(owner.device, challenge, owner.shown(challenge)))
    opened = owner.device.open()
    assert (opened["state"], opened["requests"]) == ("locked", []) and "until" in opened
    assert owner.authorize(owner.session(), owner.payment())["outcome"] == "deny"


def test_signature_is_for_the_number_that_was_chosen(owner):
    """Who exchanges the number behind the user's back has a signature over another one."""
    challenge = owner.ask()
    right = owner.shown(challenge)
    numbers = owner.device.request(challenge)["numbers"]
    other = next(n for n in numbers if n["number"] != right)
    answer = owner.device.answer(challenge, right, owner.device.passkey.sign(other["challenge"]))
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert owner.again()["outcome"] == "step_up"


@pytest.mark.parametrize("changes", [{"flags": UP}, {"client": {"origin": "https://evil.example"}}, {"id": b"another"}])
def test_stolen_cookie_without_the_passkey(owner, changes):
    challenge = owner.ask()
    number = owner.shown(challenge)
    assert owner.device.approve(challenge, number, **changes)["reason"] == "factor_rejected"
    for value in ("47", "{}", number):
        assert owner.device.answer(challenge, number, value)["reason"] == "factor_rejected"
    assert owner.again()["outcome"] == "step_up"


def test_other_accounts_device(broker, owner):
    other = make_owner(broker)
    challenge = owner.ask()
    number = owner.shown(challenge)
    assert other.device.open()["requests"] == []
    signed = other.device.passkey.sign(owner.device.request(challenge)["numbers"][0]["challenge"])
    for step in (other.device.factor, owner.device.factor):
        error = other.device.gateway.fails(I + "DeviceAnswer", cookie=other.device.cookie, challenge=challenge,
                                           number=int(number), answers=[{"step": step, "value": signed}])
        assert error.name == "NotFound"
    assert other.device.gateway.fails(I + "DeviceRefuse", cookie=other.device.cookie, challenge=challenge,
                                      report=True).name == "NotFound"
    # The right device, and the other's passkey.
    assert owner.device.answer(challenge, number, signed)["reason"] == "factor_rejected"
    assert owner.device.approve(challenge, number)["state"] == "done"


def flipped(cookie, at):
    """The cookie with one bit changed in that byte: of account, factor or secret."""
    data = bytearray(base64.b32decode(cookie.upper() + "=" * (-len(cookie) % 8)))
    data[at] ^= 1
    return base64.b32encode(bytes(data)).decode().rstrip("=").lower()


@pytest.mark.parametrize("spoil", [lambda c: flipped(c, 0), lambda c: flipped(c, 16), lambda c: flipped(c, 63),
                                   lambda c: c[:-1], lambda c: "", lambda c: "a" * len(c)])
def test_cookie_that_is_none(owner, spoil):
    challenge = owner.ask()
    cookie = spoil(owner.device.cookie)
    gateway = owner.device.gateway
    answers = [{"step": owner.device.factor, "value": "x"}]
    for error in (gateway.fails(I + "DeviceOpen", cookie=cookie),
                  gateway.fails(I + "DeviceAnswer", cookie=cookie, challenge=challenge, number=47, answers=answers),
                  gateway.fails(I + "DeviceRefuse", cookie=cookie, challenge=challenge, report=True)):
        assert (error.name, error.parameters) == ("NotPermitted", {"right": "device"})
    assert owner.shown(challenge)


def test_second_device_of_the_account(broker, owner):
    """Each has a passkey and a cookie of its own, and either may approve."""
    owner.second = owner.register(Device(broker), "phone")
    challenge = owner.ask()
    steps = owner.service.call("StepUp.Get", challenge=challenge)["steps"]
    assert {s["label"] for s in steps} == {"tablet", "phone"} and len({s["number"] for s in steps}) == 1
    number = steps[0]["number"]
    mixed = owner.device.gateway.fails(I + "DeviceAnswer", cookie=owner.device.cookie, challenge=challenge,
                                       number=int(number), answers=[{"step": owner.second.factor, "value": "x"}])
    assert (mixed.name, mixed.parameters["field"]) == ("InvalidParameter", "answers")
    assert owner.second.approve(challenge, number)["state"] == "done"
    assert owner.device.open()["requests"] == []


def test_removed_device(owner):
    ask = owner.service.call("Factors.Remove", factor=owner.device.factor)
    owner.confirm(ask["challenge"]["id"])
    assert owner.device.open()["requests"] == []
    assert owner.service.call("Factors.Remove", factor=owner.device.factor,
                              challenge=ask["challenge"]["id"])["outcome"] == "permit"
    assert owner.device.gateway.fails(I + "DeviceOpen", cookie=owner.device.cookie).name == "NotPermitted"


def test_two_open_challenges(owner):
    session = owner.session()
    cheap, dear = owner.payment("20.00"), owner.payment("90.00", payee="m-8", name="Other Shop")
    first, second = owner.ask(cheap, session), owner.ask(dear, session)
    opened = owner.device.open()
    assert {(r["challenge"], r["card"]["amount"]) for r in opened["requests"]} == {(first, "20.00"), (second, "90.00")}
    number = owner.shown(first)
    signed = owner.device.passkey.sign(
        next(n for n in owner.device.request(first)["numbers"] if n["number"] == number)["challenge"])
    # What was signed for the one is nothing for the other.
    answer = owner.device.answer(second, owner.shown(second), signed)
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert owner.device.answer(first, number, signed)["state"] == "done"
    assert owner.authorize(session, cheap)["outcome"] == "permit"
    assert owner.authorize(session, dear)["outcome"] == "step_up"
    left, = owner.device.open()["requests"]
    assert left["challenge"] == second


def test_decline(owner):
    challenge = owner.ask()
    assert owner.device.refuse(challenge)["state"] == "refused"
    assert owner.service.call("StepUp.Get", challenge=challenge)["state"] == "refused"
    assert owner.device.open()["requests"] == []


def test_not_me_freezes_the_link(owner):
    challenge = owner.ask()
    assert owner.device.refuse(challenge, report=True)["state"] == "refused"
    opened = owner.open()
    assert opened["outcome"] == "deny" or owner.authorize(opened["session"], owner.payment())["outcome"] == "deny"


def test_expired(broker, owner):
    challenge = owner.ask()
    number = owner.shown(challenge)
    value = owner.device.passkey.sign(
        next(n for n in owner.device.request(challenge)["numbers"] if n["number"] == number)["challenge"])
    broker.clock.advance(11 * 60_000)
    device = owner.device
    device.gateway = broker.gateway()
    assert device.open()["requests"] == []
    answer = device.answer(challenge, number, value)
    assert (answer["state"], answer["reason"]) == ("expired", "challenge_expired")


def test_answer_sent_twice_counts_once(owner):
    challenge = owner.ask()
    request = owner.device.request(challenge)
    number = owner.shown(challenge)
    value = owner.device.passkey.sign(next(n for n in request["numbers"] if n["number"] == number)["challenge"])
    for _ in range(2):
        assert owner.device.answer(challenge, number, value, round=request["round"])["state"] == "done"


def ask_for_two(owner):
    """Something that takes the device and a code: the challenge, and the number."""
    asked = owner.service.call("Accounts.View", account=owner.account)
    assert asked["outcome"] == "step_up", asked
    challenge = asked["challenge"]["id"]
    shown = owner.service.call("StepUp.Get", challenge=challenge)
    assert shown["need"] == 2
    return challenge, next(s["number"] for s in shown["steps"] if s["type"] == "approve")


def test_approval_counts_whenever_it_comes(owner):
    challenge, number = ask_for_two(owner)
    answer = owner.device.approve(challenge, number)
    assert (answer["state"], answer.get("reason")) == ("open", None)
    assert owner.device.open()["requests"] == []
    code = [{"step": owner.totp.id, "value": owner.totp.code()}]
    assert owner.service.call("StepUp.Respond", challenge=challenge, answers=code)["state"] == "done"


def test_code_before_the_approval_is_not_looked_at(owner):
    challenge, number = ask_for_two(owner)
    for value in (owner.totp.wrong(), code := owner.totp.code()):
        answer = owner.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": owner.totp.id, "value": value}])
        assert (answer["state"], answer["reason"]) == ("open", "asked")
    assert owner.device.approve(challenge, number)["state"] == "open"
    answer = owner.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": owner.totp.id, "value": code}])
    assert answer["state"] == "done"


def test_wrong_code_voids_the_approval(owner):
    challenge, number = ask_for_two(owner)
    owner.device.approve(challenge, number)
    wrong = [{"step": owner.totp.id, "value": owner.totp.wrong()}]
    assert owner.service.call("StepUp.Respond", challenge=challenge, answers=wrong)["reason"] == "factor_rejected"
    # It waits on the device again.
    assert owner.device.approve(challenge, number)["state"] == "open"
    code = [{"step": owner.totp.id, "value": owner.totp.code()}]
    assert owner.service.call("StepUp.Respond", challenge=challenge, answers=code)["state"] == "done"


def test_service_may_not_answer_for_the_device(owner):
    challenge = owner.ask()
    number = owner.shown(challenge)
    value = owner.device.passkey.sign(
        next(n for n in owner.device.request(challenge)["numbers"] if n["number"] == number)["challenge"])
    for given in (number, value):
        error = owner.service.fails("StepUp.Respond", challenge=challenge,
                                    answers=[{"step": owner.device.factor, "value": given}])
        assert (error.name, error.parameters["field"]) == ("InvalidParameter", "answers")
    assert owner.device.approve(challenge, number)["state"] == "done"


def test_enrolment_without_its_page(broker):
    """A device registers itself: who only calls the API has no device, and nothing is enrolled."""
    person = Person(broker)
    begun = person.service.call("Factors.Begin", account=person.account, kind="approve", label="tablet", proof="passport")
    step, = begun["steps"]
    options = json.loads(step["options"])
    passkey = Passkey("localhost", broker.url)
    passkey.user_handle = unb64(options["user"]["id"])
    error = person.service.fails("Factors.Finish", enrolment=begun["enrolment"],
                                 answers=[{"step": step["id"], "value": passkey.register(options["challenge"])}])
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "enrolment")
    device = Device(broker)
    assert device.register(begun["url"])["factor"]["kind"] == "approve"


def test_restart_keeps_devices(broker, owner):
    broker.halt()
    broker.start()
    owner.service = broker.service
    owner.device.gateway = broker.gateway()
    challenge = owner.ask()
    assert owner.device.approve(challenge, owner.shown(challenge))["state"] == "done"
