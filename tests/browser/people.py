# SPDX-License-Identifier: Apache-2.0
"""Owners whose passkey lives in a page of chromium, and the configuration for them."""
from harness import Person

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
factor  required    stepup      factors=1
view    required    stepup      factors=1
spend   requisite   session     max-age=30d
spend   required    stepup      any=webauthn,totp
"""
EXTRA = """trusted-factor-limit CNY 1000
factor "webauthn" {
    plugin "webauthn" servers 1 deadline 20s cooling-off 0
    set rp-id "localhost"
    set origin "{url}"
}"""
BROKER = {"stack": STACK, "extra": EXTRA}

# In a page of ours: what the page's own script does, without it.
CREATE = """async text => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(text));
    return JSON.stringify((await navigator.credentials.create({publicKey})).toJSON());
}"""
SIGN = """async step => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
        {challenge: step.challenge, rpId: step.rp_id, userVerification: "required"});
    return JSON.stringify((await navigator.credentials.get({publicKey})).toJSON());
}"""


class Owner(Person):
    """An account whose passkey is in the authenticator of a page."""

    def __init__(self, broker, page):
        super().__init__(broker)
        self.page = page

    def enrol_passkey(self, challenge=None):
        """Through the API; the page must be of the broker's origin and have an authenticator."""
        begun = self.service.call("Factors.Begin", account=self.account, kind="webauthn", label="laptop",
                                  challenge=challenge, proof=None if challenge else "passport")
        step, = begun["steps"]
        done = self.service.call("Factors.Finish", enrolment=begun["enrolment"],
                                 answers=[{"step": step["id"], "value": self.page.evaluate(CREATE, step["options"])}])
        assert done["outcome"] == "permit", done
        return done["factor"]["id"]

    def confirm(self, challenge, totp=None, service=None):
        """Through the API, with whichever the account has."""
        if self.totp is not None:
            return super().confirm(challenge, totp, service)
        shown = self.service.call("StepUp.Get", challenge=challenge)
        step = next(s for s in shown["steps"] if s["type"] == "passkey")
        answer = self.service.call("StepUp.Respond", challenge=challenge,
                                   answers=[{"step": step["id"], "value": self.page.evaluate(SIGN, step)}])
        assert answer["state"] == "done", answer
        return answer

    def ask(self, amount="20.00", **rest):
        """A new payment that must be countersigned: (the session, the payment, the URL of its page)."""
        session, payment = self.session(), self.payment(amount, **rest)
        answer = self.authorize(session, payment, return_url="https://shop.example/done")
        assert answer["outcome"] == "step_up", answer
        return session, payment, answer["challenge"]["url"]
