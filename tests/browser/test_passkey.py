# SPDX-License-Identifier: Apache-2.0
"""A passkey of a real browser, through the API alone: made on a page of ours, and asked to sign a payment."""
import json

from harness import Person

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   requisite   session     max-age=30d
spend   required    stepup      any=webauthn
"""
WEBAUTHN = """trusted-factor-limit CNY 100
factor "webauthn" {
    plugin "webauthn" servers 1 deadline 20s cooling-off 0
    set rp-id "localhost"
    set origin "{url}"
}"""
BROKER = {"stack": STACK, "extra": WEBAUTHN}

CREATE = """async text => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(text));
    return JSON.stringify((await navigator.credentials.create({publicKey})).toJSON());
}"""
SIGN = """async step => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
        {challenge: step.challenge, rpId: step.rp_id, userVerification: "required"});
    return JSON.stringify((await navigator.credentials.get({publicKey})).toJSON());
}"""


def test_passkey_made_by_chromium_countersigns_a_payment(broker, open_page):
    person, page = Person(broker), open_page()
    page.goto(broker.url + "/style.css")  # any page of the origin
    page.authenticator()
    begun = broker.service.call("Factors.Begin", account=person.account, kind="webauthn", label="laptop", proof="passport")
    step, = begun["steps"]
    made = page.evaluate(CREATE, step["options"])
    done = broker.service.call("Factors.Finish", enrolment=begun["enrolment"],
                               answers=[{"step": step["id"], "value": made}])
    assert done["outcome"] == "permit", done
    assert len(page.credentials()) == 1

    def confirm(challenge, **_):
        shown = broker.service.call("StepUp.Get", challenge=challenge)
        step = next(s for s in shown["steps"] if s["type"] == "passkey")
        answer = broker.service.call("StepUp.Respond", challenge=challenge,
                                     answers=[{"step": step["id"], "value": page.evaluate(SIGN, step)}])
        assert answer["state"] == "done", answer

    person.confirm = confirm
    person.link()
    assert person.spend(person.session(), "20.00")["reason"] == "countersigned"
