# SPDX-License-Identifier: Apache-2.0
"""An owner with factors of several kinds, for attacks on what they rest on."""
import json
import os
import sys

from harness import SOURCE, Person, Totp

sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))

from passkey import UP, UV, Passkey, unb64  # noqa: E402

BE, BS = 0x08, 0x10
SYNCED = UP | UV | BE | BS
ORIGIN = "https://pay.example"
ICLOUD = bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd")


class Owner(Person):
    """Begins with a TOTP app; `outbox` is the file that one-time codes are written to."""

    outbox = None

    def answers(self, begun, **values):
        """One to each step that takes one."""
        return [{"step": s["id"], "value": values[s["type"]]} for s in begun["steps"] if s["type"] != "show"]

    def sent(self):
        with open(self.outbox, encoding="utf-8") as f:
            return json.loads(f.read().splitlines()[-1])

    def code_sent(self):
        text = json.dumps(self.sent())
        digits = [word for word in "".join(c if c.isdigit() else " " for c in text).split() if len(word) == 6]
        return digits[-1]

    def begin(self, kind, yes=None, **rest):
        """Factors.Begin; yes: countersigns it, where that is asked for."""
        begun = self.service.call("Factors.Begin", account=self.account, kind=kind, label=kind,
                                  proof="passport", **rest)
        if begun["outcome"] != "step_up" or yes is None:
            return begun
        assert yes(begun["challenge"]["id"])["state"] == "done"
        return self.service.call("Factors.Begin", account=self.account, kind=kind, label=kind,
                                 challenge=begun["challenge"]["id"], **rest)

    def finish(self, begun, answers):
        done = self.service.call("Factors.Finish", enrolment=begun["enrolment"], answers=answers)
        assert done["outcome"] == "permit", done
        return done["factor"]["id"]

    # --- enrolling; each gives the factor's id ---

    def add_totp(self, yes=None, **rest):
        begun = self.begin("totp", yes, **rest)
        totp = Totp(self.broker.clock, next(s["uri"] for s in begun["steps"] if s["type"] == "show"))
        totp.id = self.finish(begun, self.answers(begun, code=totp.code()))
        return totp

    def add_otp(self, address, yes=None):
        begun = self.begin("otp", yes, address=address)
        return self.finish(begun, self.answers(begun, code=self.code_sent()))

    def add_codes(self, yes=None):
        begun = self.begin("recovery", yes)
        shown = next(s for s in begun["steps"] if s["type"] == "show")
        self.codes = [line.split()[-1] for line in shown["text"].splitlines() if line.count("-") == 3]
        self.codes_id = self.finish(begun, self.answers(begun, text=self.codes[0]))
        return self.codes_id

    def add_passkey(self, yes=None, flags=UP | UV, aaguid=None):
        begun = self.begin("webauthn", yes)
        options = json.loads(begun["steps"][0]["options"])
        passkey = Passkey(options["rp"]["id"], ORIGIN, flags=flags)
        passkey.aaguid = aaguid or passkey.aaguid
        passkey.user_handle = unb64(options["user"]["id"])
        passkey.factor = self.finish(begun, self.answers(begun, passkey=passkey.register(options["challenge"])))
        return passkey

    # --- saying yes; each gives a function of a challenge ---

    def respond(self, challenge, factor, value):
        return self.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": factor, "value": value}])

    def by_totp(self, totp=None):
        return lambda challenge: self.respond(challenge, (totp or self.totp).id, (totp or self.totp).code())

    def by_code(self, code):
        return lambda challenge: self.respond(challenge, self.codes_id, code)

    def by_passkey(self, passkey):
        def sign(challenge):
            shown = self.service.call("StepUp.Get", challenge=challenge)
            mine = [s for s in shown["steps"] if s["factor"] == passkey.factor]
            # Whoever is not asked signs what another passkey would be asked to sign.
            asked = (mine or [s for s in shown["steps"] if s["type"] == "passkey"] or [{"challenge": "AAAA"}])[0]
            return self.respond(challenge, passkey.factor, passkey.sign(asked["challenge"]))
        return sign

    def by_otp(self, factor):
        def answer(challenge):
            self.service.call("StepUp.Begin", challenge=challenge, step=factor)
            return self.respond(challenge, factor, self.code_sent())
        return answer
