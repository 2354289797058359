# SPDX-License-Identifier: Apache-2.0
"""Attacks with an ID that is an Apple ID: what it syncs, what mail it reads, and recovery past it."""
import atexit
import json
import os
import shutil
import tempfile

import pytest

from harness import SOURCE
from owner import ICLOUD, SYNCED, Owner, unb64

HOUR = 3600_000
SENT = tempfile.mkdtemp(prefix="cs-outbox.")
atexit.register(shutil.rmtree, SENT, True)
OUTBOX = os.path.join(SENT, "codes")
with open(os.path.join(SOURCE, "packaging", "profiles", "apple.conf"), encoding="utf-8") as f:
    PROFILE = f.read()

# The operator vouches for authenticator apps, and for nothing else.
BROKER = {
    "https": False,
    "provider_extra": 'profile "apple" assume-independent totp',
    "stack": """link    required    stepup      factors=1
factor  required    stepup      factors=1
recover required    stepup
spend   required    stepup      factors=1
""",
    "extra": PROFILE + f"""trusted-factor-limit CNY 1000
factor "webauthn" {{
    plugin "webauthn" servers 1 deadline 20s cooling-off 0
    set rp-id "pay.example"
    set origin "https://pay.example"
}}
factor "otp" {{
    plugin "otp" servers 1 deadline 20s cooling-off 0
    set channel mail
    set outbox "{OUTBOX}" cage {{ write "{SENT}" }}
}}
factor "recovery" {{ plugin "recovery" servers 1 deadline 20s cooling-off 0 }}
""",
}


@pytest.fixture
def owner(broker):
    """With a TOTP app, and not linked yet."""
    person = Owner(broker)
    person.outbox = OUTBOX
    person.totp = person.add_totp()
    return person


def asked(owner):
    session, payment = owner.session(), owner.payment()
    return session, payment, owner.authorize(session, payment)["challenge"]["id"]


def sentences(owner, session):
    """What explain tells the admin of each factor."""
    answer = owner.broker.admin.call("Admin.Explain", account=owner.account, service="checkout", session=session,
                                     payment=owner.payment())
    return [(s["rule"], s["why"]) for s in answer["steps"] if s["result"] in ("usable", "unusable")]


def test_S13_a_passkey_that_the_stolen_id_syncs(owner, log):
    """The thief restores the owner's passkeys from the cloud of the stolen ID, and signs with one."""
    passkey = owner.add_passkey(owner.by_totp(), flags=SYNCED, aaguid=ICLOUD)
    owner.link()
    session, payment, challenge = asked(owner)
    shown = owner.service.call("StepUp.Get", challenge=challenge)
    assert [s["kind"] for s in shown["steps"]] == ["totp"]
    answer = owner.by_passkey(passkey)(challenge)
    assert (answer["state"], answer["reason"]) == ("open", "no_independent_factor")
    log.denied(owner.account, "no_independent_factor")
    assert owner.authorize(session, payment)["outcome"] == "step_up"
    assert ("webauthn", "not independent of sandbox: this passkey syncs through iCloud Keychain, which falls with the "
            "Apple ID") in sentences(owner, session)
    listed = {f["kind"]: f["dependent_on"] for f in owner.service.call("Factors.List", account=owner.account)["factors"]}
    assert listed == {"totp": [], "webauthn": [{"provider": "sandbox", "why": "this passkey syncs through iCloud Keychain, "
                                                "which falls with the Apple ID"}]}


def test_S13_a_passkey_that_somebody_else_syncs(owner, log):
    passkey = owner.add_passkey(owner.by_totp(), flags=SYNCED)
    owner.link()
    session, payment, challenge = asked(owner)
    assert owner.by_passkey(passkey)(challenge)["reason"] == "no_independent_factor"
    log.denied(owner.account, "no_independent_factor")
    assert ("webauthn", "not known to be independent of sandbox: this passkey may have copies in the Apple ID: nothing "
            "proves that it stays on its device") in sentences(owner, session)


def test_S13_a_passkey_that_stays_on_its_device_is_the_owners(owner, log):
    passkey = owner.add_passkey(owner.by_totp())
    owner.link()
    session, payment, challenge = asked(owner)
    assert owner.by_passkey(passkey)(challenge)["state"] == "done"
    permit = owner.authorize(session, payment)
    assert permit["outcome"] == "permit"
    # It was enrolled with the app, for which the admin's word stands: event, receipt and explain say so.
    assert "assumed" in log.last(owner.account, "payment_permitted")["json"]["flags"]
    claims = json.loads(unb64(permit["receipt"].split(".")[1]))
    assert (claims["factors"], claims["assumed"]) == (["webauthn"], ["webauthn"])
    assert ("webauthn", "independent by the admin's word, assume-independent") in sentences(owner, session)


def test_S13_it_enrols_nothing_either(owner, log):
    passkey = owner.add_passkey(owner.by_totp(), flags=SYNCED, aaguid=ICLOUD)
    owner.link()
    begun = owner.begin("totp")
    assert owner.by_passkey(passkey)(begun["challenge"]["id"])["reason"] == "no_independent_factor"
    assert len(log.events(owner.account, "factor_enrolled")) == 1


def test_S9_codes_to_the_mailbox_of_the_stolen_id(owner, log):
    """Who has the ID reads its mail; what was asked for by mail is no yes."""
    otp = owner.add_otp("wang@icloud.com", owner.by_totp())
    owner.link()
    session, payment, challenge = asked(owner)
    assert owner.respond(challenge, otp, "123456")["reason"] == "no_independent_factor"
    log.denied(owner.account, "no_independent_factor")
    assert ("otp", "not independent of sandbox: this one-time code goes to iCloud Mail (icloud.com), which falls with the "
            "Apple ID") in sentences(owner, session)


def test_S9_a_mailbox_recovers_nothing(owner, log):
    otp = owner.add_otp("wang@icloud.com", owner.by_totp())
    owner.add_codes(owner.by_totp())
    owner.link()
    begun = owner.begin("totp", recover=True)
    assert begun["outcome"] == "step_up"
    shown = owner.service.call("StepUp.Get", challenge=begun["challenge"]["id"])
    assert [s["kind"] for s in shown["steps"]] == ["recovery"]
    for factor, value in ((otp, "123456"), (owner.totp.id, owner.totp.code())):
        assert owner.respond(begun["challenge"]["id"], factor, value)["reason"] == "no_independent_factor"
    assert log.events(owner.account, "challenge_answered")[-1]["json"]["kind"] == "totp"


def test_S9_codes_that_were_enrolled_through_that_mailbox(owner, log):
    """Printed codes stand apart; but these were given out on the word of a mailbox that the ID reads."""
    otp = owner.add_otp("wang@mail.icloud.com", owner.by_totp())
    owner.add_codes(owner.by_otp(otp))
    owner.link()
    begun = owner.begin("totp", recover=True)
    assert (begun["outcome"], begun["reason"]) == ("deny", "no_independent_factor")
    log.denied(owner.account, "no_independent_factor")


def test_S4_a_recovery_code_is_no_factor_of_a_payment(owner, log):
    owner.add_codes(owner.by_totp())
    owner.link()
    session, payment, challenge = asked(owner)
    assert owner.by_code(owner.codes[1])(challenge)["reason"] == "no_independent_factor"
    log.denied(owner.account, "no_independent_factor")
    assert owner.authorize(session, payment)["outcome"] == "step_up"


def test_S5_a_recovered_factor_waits_and_the_owner_takes_it_back(broker, owner, log):
    """A thief with a printed code recovers; the owner hears of it within three days, and stops it without any factor."""
    owner.add_codes(owner.by_totp())
    owner.link()
    thief = owner.add_totp(owner.by_code(owner.codes[3]), recover=True, replaces=owner.totp.id)
    event = log.last(owner.account, "factor_enrolled")["json"]
    assert (event["op"], [f["kind"] for f in event["factors"]]) == ("recover", ["recovery"])
    broker.clock.advance(71 * HOUR)
    session, payment, challenge = asked(owner)
    assert owner.by_totp(thief)(challenge)["reason"] == "factor_cooling_off"
    log.denied(owner.account, "factor_cooling_off")
    assert owner.service.call("Factors.Remove", factor=thief.id)["reason"] == "narrows"
    broker.clock.advance(2 * HOUR)
    session, payment, challenge = asked(owner)
    error = owner.service.fails("StepUp.Respond", challenge=challenge,
                                answers=[{"step": thief.id, "value": thief.code()}])
    assert (error.name, error.parameters) == ("NotFound", {"what": "step"})
    assert owner.by_totp()(challenge)["state"] == "done"
    assert owner.authorize(session, payment)["outcome"] == "permit"


def test_S5_a_code_is_used_once(owner, log):
    owner.add_codes(owner.by_totp())
    owner.add_totp(owner.by_code(owner.codes[2]), recover=True)
    begun = owner.begin("totp", recover=True)
    challenge = begun["challenge"]["id"]
    assert owner.by_code(owner.codes[2])(challenge)["reason"] == "factor_rejected"
    assert log.last(owner.account, "factor_failed")["json"]["kind"] == "recovery"
    assert owner.by_code(owner.codes[5])(challenge)["state"] == "done"


def test_S5_a_recovery_gives_no_new_codes(owner):
    owner.add_codes(owner.by_totp())
    error = owner.service.fails("Factors.Begin", account=owner.account, kind="recovery", recover=True)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "kind")


def test_S15_recovery_begins_no_account(broker, log):
    nobody = Owner(broker)
    begun = nobody.begin("totp", recover=True)
    assert begun["outcome"] == "deny" and "enrolment" not in begun


def test_S15_losing_all_factors_ends_in_recovery_and_nothing_else(broker, owner, log):
    """The phone is gone: the codes replace the app after three days; enrolment as if it were the first stays shut."""
    owner.add_codes(owner.by_totp())
    owner.link()
    assert owner.begin("totp")["outcome"] == "step_up"
    new = owner.add_totp(owner.by_code(owner.codes[1]), recover=True, replaces=owner.totp.id)
    broker.clock.advance(73 * HOUR)
    session, payment, challenge = asked(owner)
    shown = owner.service.call("StepUp.Get", challenge=challenge)
    assert [s["factor"] for s in shown["steps"]] == [new.id]
    assert owner.by_totp(new)(challenge)["state"] == "done"
    assert owner.authorize(session, payment)["outcome"] == "permit"
    assert log.events(owner.account, "factor_enrolled")[-1]["json"]["op"] == "recover"
