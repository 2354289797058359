# SPDX-License-Identifier: Apache-2.0
"""Passkeys in the whole broker: enrolled, asked for, and every answer that is for something else."""
import json
import os
import sys

import pytest

from harness import SOURCE, Person

sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))

from passkey import BE, UP, UV, Passkey, b64, unb64  # noqa: E402

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
factor  required    stepup      factors=1
grant   required    stepup      factors=1
spend   requisite   session     max-age=30d
spend   sufficient  allowance
spend   required    stepup      any=webauthn
"""
BROKER = {"https": False, "stack": STACK, "extra": """trusted-factor-limit CNY 100
factor "webauthn" {
    plugin "webauthn" servers 1 deadline 20s cooling-off 0
    set rp-id "pay.example"
    set origin "https://pay.example"
    set payment-confirmation yes
}"""}


class Owner(Person):
    """Whose first factor is a passkey."""

    def begin(self, challenge=None):
        begun = self.service.call("Factors.Begin", account=self.account, kind="webauthn", label="key",
                                  challenge=challenge, proof=None if challenge else "passport")
        assert begun["outcome"] == "permit", begun
        step, = begun["steps"]
        assert step["type"] == "passkey"
        return begun["enrolment"], step["id"], json.loads(step["options"])

    def finish(self, enrolment, step, value):
        return self.service.call("Factors.Finish", enrolment=enrolment, answers=[{"step": step, "value": value}])

    def enrol_passkey(self, challenge=None, **passkey):
        enrolment, step, options = self.begin(challenge)
        made = Passkey(options["rp"]["id"], "https://pay.example", **passkey)
        made.user_handle = unb64(options["user"]["id"])
        done = self.finish(enrolment, step, made.register(options["challenge"]))
        assert done["outcome"] == "permit", done
        made.factor = done["factor"]["id"]
        self.passkey = made
        return made

    def step(self, challenge):
        shown = self.service.call("StepUp.Get", challenge=challenge)
        return next(s for s in shown["steps"] if s["kind"] == "webauthn")

    def respond(self, challenge, value):
        step = {"id": self.passkey.factor}
        return self.service.call("StepUp.Respond", challenge=challenge,
                                 answers=[{"step": step["id"], "value": value}])

    def confirm(self, challenge, totp=None, service=None, **changes):
        return self.respond(challenge, self.passkey.sign(self.step(challenge)["challenge"], **changes))

    def ask(self, session, payment):
        answer = self.authorize(session, payment)
        assert answer["outcome"] == "step_up", answer
        return answer["challenge"]["id"]


@pytest.fixture
def owner(broker):
    person = Owner(broker)
    person.enrol_passkey()
    person.link()
    return person


def test_payment_countersigned_by_a_passkey(owner):
    assert owner.spend(owner.session(), "20.00")["reason"] == "countersigned"


def test_what_is_signed_names_the_challenge_and_what_its_card_shows(owner):
    session = owner.session()
    payment = owner.payment("20.00")
    first = unb64(owner.step(owner.ask(session, payment))["challenge"])
    other = unb64(owner.step(owner.ask(session, owner.payment("20.01")))["challenge"])
    assert len(first) == 48 and first[:16] != other[:16] and first[16:] != other[16:]


@pytest.mark.parametrize("changes", [
    {"client": {"origin": "https://evil.example"}}, {"client": {"challenge": b64(bytes(48))}}, {"rp_id": "evil.example"},
    {"flags": UP}, {"type": "webauthn.create"}, {"id": b"another"},
])
def test_answer_made_for_something_else(owner, changes):
    session, payment = owner.session(), owner.payment()
    challenge = owner.ask(session, payment)
    answer = owner.confirm(challenge, **changes)
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert owner.authorize(session, payment)["outcome"] == "step_up"


def test_answer_is_for_one_challenge(owner):
    session = owner.session()
    payment, dearer = owner.payment("20.00"), owner.payment("90.00")
    first, second = owner.ask(session, payment), owner.ask(session, dearer)
    signed = owner.passkey.sign(owner.step(first)["challenge"])
    assert owner.respond(second, signed)["reason"] == "factor_rejected"
    assert owner.respond(first, signed)["state"] == "done"
    # Once more, and where it was right.
    assert owner.respond(second, signed)["reason"] == "factor_rejected"
    again = owner.respond(first, signed)
    assert again["state"] == "done" and again["reason"] != "countersigned"
    assert owner.authorize(session, payment)["outcome"] == "permit"
    assert owner.authorize(session, dearer)["outcome"] == "step_up"


def test_counter_that_goes_back_is_a_copy(broker):
    owner = Owner(broker)
    owner.enrol_passkey(counter=10)
    owner.link()
    session, payment = owner.session(), owner.payment()
    challenge = owner.ask(session, payment)
    for counter in (0, 10, 11):
        assert owner.confirm(challenge, counter=counter)["reason"] == "factor_rejected"
    assert owner.confirm(challenge)["state"] == "done"


def test_five_wrong_answers_lock_it(owner):
    challenge = owner.ask(owner.session(), owner.payment())
    signed = owner.passkey.sign(owner.step(challenge)["challenge"])
    for _ in range(5):
        owner.respond(challenge, "123456")
    assert owner.respond(challenge, signed)["state"] != "done"


def test_wrong_registration_may_be_mended(broker):
    owner = Owner(broker)
    enrolment, step, options = owner.begin()
    passkey = Passkey("pay.example", "https://evil.example")
    assert owner.finish(enrolment, step, passkey.register(options["challenge"]))["reason"] == "factor_rejected"
    assert owner.finish(enrolment, step, "123456")["reason"] == "factor_rejected"
    passkey.origin = "https://pay.example"
    assert owner.finish(enrolment, step, passkey.register(options["challenge"]))["outcome"] == "permit"


def test_registration_is_good_for_its_own_enrolment(broker):
    first, second = Owner(broker), Owner(broker)
    enrolment, step, _ = first.begin()
    _, _, options = second.begin()
    passkey = Passkey("pay.example", "https://pay.example")
    assert first.finish(enrolment, step, passkey.register(options["challenge"]))["reason"] == "factor_rejected"


def test_largest_passkey_outlives_a_restart(broker):
    owner = Owner(broker)
    owner.enrol_passkey(algorithm="RS256", bits=4096, id_len=1023)
    owner.link()
    broker.halt()
    broker.start()
    owner.service = broker.service
    assert owner.spend(owner.session(), "20.00")["outcome"] == "permit"


def test_the_engine_looks_itself_so_no_limit_binds_it(owner):
    """What the engine verifies again is not a plugin's word: `trusted-factor-limit` is for those."""
    assert owner.spend(owner.session(), "100.01")["reason"] == "countersigned"


def test_the_browser_is_told_which_passkey(owner):
    step = owner.step(owner.ask(owner.session(), owner.payment()))
    assert unb64(step["credential"]) == owner.passkey.id


def test_what_a_passkey_rests_on_stands_in_its_event(broker, owner):
    """Whether anybody may have a copy: 1, nobody; 2, whoever syncs it."""
    synced = Owner(broker)
    synced.enrol_passkey(flags=UP | UV | BE)
    told = [next(e["json"] for e in broker.admin.call("Admin.Events", account=person.account)["events"]
                 if e["type"] == "factor_enrolled") for person in (owner, synced)]
    assert [event["copies"] for event in told] == [1, 2]


# --- Secure Payment Confirmation ---

def shown_by_the_browser(card, **changes):
    payment = {"rpId": "pay.example", "topOrigin": "https://pay.example", "payeeName": card["payee"],
               "total": {"value": card["amount"], "currency": card["currency"]},
               "instrument": {"displayName": "Account", "icon": "https://pay.example/icon.png"}}
    return {**payment, **changes}


def confirm_payment(owner, challenge, **changes):
    shown = owner.service.call("StepUp.Get", challenge=challenge)
    step = next(s for s in shown["steps"] if s["kind"] == "webauthn")
    assert step["spc"] is True
    value = owner.passkey.sign(step["challenge"], type="payment.get",
                               client={"payment": shown_by_the_browser(shown["card"], **changes)})
    return owner.respond(challenge, value)


def test_the_browser_may_show_the_payment_itself(owner):
    session, payment = owner.session(), owner.payment("20.00")
    assert confirm_payment(owner, owner.ask(session, payment))["state"] == "done"
    assert owner.authorize(session, payment)["outcome"] == "permit"


@pytest.mark.parametrize("changes", [
    {"payeeName": "Another Shop"}, {"total": {"value": "2.00", "currency": "CNY"}},
    {"total": {"value": "20.00", "currency": "USD"}}, {"total": {"value": 20.00, "currency": "CNY"}},
    {"topOrigin": "https://evil.example"}, {"rpId": "evil.example"}, {"total": None}, {"payeeName": None}])
def test_the_browser_showed_another_payment(owner, changes):
    session, payment = owner.session(), owner.payment("20.00")
    answer = confirm_payment(owner, owner.ask(session, payment), **changes)
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert owner.authorize(session, payment)["outcome"] == "step_up"


def test_only_a_payment_is_shown_by_the_browser(owner):
    asked = owner.service.call("Factors.Begin", account=owner.account, kind="totp")["challenge"]["id"]
    step = owner.step(asked)
    assert "spc" not in step
    value = owner.passkey.sign(step["challenge"], type="payment.get", client={"payment": {}})
    assert owner.respond(asked, value)["reason"] == "factor_rejected"


def test_answer_that_is_too_long(owner):
    challenge = owner.ask(owner.session(), owner.payment())
    assert owner.service.fails("StepUp.Respond", challenge=challenge,
                               answers=[{"step": owner.passkey.factor, "value": "\"" * 12289}]).name == "InvalidParameter"
    assert owner.respond(challenge, "\"" * 12288)["state"] == "open"
