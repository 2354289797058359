# SPDX-License-Identifier: Apache-2.0
"""The story, chapter by chapter. Each step asks the running daemon and says what must come of it."""
import datetime
import json
import os
import signal
import subprocess
import threading
import time

from jwcrypto import jwk, jws

from broker import RETURN_URL
from browser import Browser
from client import Authenticator, Https, Lost, Refusal, Varlink

SHOP = {"id": "m-7", "name": "Corner Shop"}
CENTS = 100
BURST_THREADS, BURST_BUDGET, BURST_ASKED, BURST_KILL_AT = 8, 200, 320, 70
CROWD, CROWD_BUDGET = 50, 10


class NotAsTold(Exception):
    """A step had another end than the story says."""


def minor(amount):
    """"20.00" to 2000."""
    whole, _, cents = amount.partition(".")
    return int(whole) * CENTS + int(cents.ljust(2, "0") or 0)


def yuan(amount_minor):
    return f"{amount_minor // CENTS}.{amount_minor % CENTS:02d}"


class Person:
    """An account's owner: the account, the name at the provider, the authenticator once there is one."""

    def __init__(self, name, run):
        self.name = name
        self.account = self.user = f"{name.lower()}-{run}"
        self.app = self.uri = self.link = self.session = self.factor = None


class Story:
    def __init__(self, broker, screen, run):
        self.broker, self.screen, self.at = broker, screen, broker.endpoints
        self.service, self.admin = Varlink(self.at["socket"]), Varlink(self.at["admin_socket"])
        self.web = Https(self.at["https"], self.at["ca"], self.at["client_cert"], self.at["client_key"])
        self.idp = Https(self.at["provider"], self.at["ca"])
        self.run = run
        self.lin, self.mei, self.tao = (Person(name, run) for name in ("Lin", "Mei", "Tao"))
        self.chapters, self.requests, self.proofs = 0, 0, 0
        self.counts = {}
        self.spent_by_thief = self.thief_tries = 0
        self.orders = 0

    # -- telling

    def chapter(self, heading, text):
        self.chapters += 1
        self.heading = heading
        self.screen.chapter(self.chapters, heading, text)

    def _told(self, who, asks, word, reason, call, why, reply, expect):
        self.requests += 1
        self.counts[word] = self.counts.get(word, 0) + 1
        self.screen.step(who, asks, word, reason, call, why)
        expect = (expect,) if isinstance(expect, str) else expect
        if word != expect[0] or (len(expect) > 1 and reason not in expect[1:]):
            raise NotAsTold(f'In "{self.heading}": {who}, {asks}\nexpected {" ".join(expect)}, got {word} {reason}\n'
                            f"{call} answered: {json.dumps(reply)[:900]}")

    def ask(self, who, asks, method, expect, why, through=None, **parameters):
        """One request and what must come of it: an outcome, or (outcome, reason, another reason ...)."""
        try:
            reply = (through or self.service).call(method, **parameters)
            word = reply.get("outcome") or {"done": "done", "open": "wrong", "locked": "wrong"}.get(
                reply.get("state"), "done")
            reason = reply.get("reason") or ""
            if reason == "unavailable":
                word = "unavailable"
            if "session" in reply:  # who is asking is known; a permit to spend it is not
                word, reason = "done", "a session"
            if method == "StepUp.Respond" and word == "wrong":
                reason = f"attempts left: {reply.get('attempts_left')}"
        except Refusal as error:
            reply, word = {"error": error.error, **error.parameters}, "deny"
            if error.error == "Unavailable":
                word = "unavailable"
            what = str(next(iter(error.parameters.values()), ""))
            reason = what if word == "unavailable" else f"{error.error} {what}".strip()
        except Lost as error:
            reply, word, reason = {"error": str(error)}, "unavailable", "connection lost"
        self._told(who, asks, word, reason, method, why, reply, expect)
        return reply

    def prove(self, text, good):
        self.proofs += 1
        self.screen.proof(text, good)
        if not good:
            raise NotAsTold(f'In "{self.heading}": this must hold and does not: {text}')

    # -- what several chapters do

    def token(self, person, nonce):
        """What a phone's native app gets after a sign-in: an ID token. A thief's phone gets one just as well."""
        status, made = self.idp.json("POST", "/control/mint", {
            "user": person.user, "aud": self.at["client_id"], "nonce": nonce})
        if status != 200:
            raise NotAsTold(f"the OpenID Provider did not sign: {made}")
        return made["id_token"]

    def sign_in(self, person, who=None, why=None, show=True):
        begun = self.service.call("Sessions.Begin", provider="sandbox")
        token = self.token(person, begun["nonce"])
        if not show:
            return self.service.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["session"]
        return self.ask(who, f"sign in with {person.name}'s ID", "Sessions.Open", "done", why,
                        sign_in=begun["sign_in"], id_token=token)["session"]

    def order(self):
        self.orders += 1
        return f"order-{self.run}-{self.orders}"

    def payment(self, amount, order=None, payee=SHOP):
        return {"id": order or self.order(), "amount": amount, "currency": "CNY", "payee": payee}

    def answer(self, challenge, code):
        step = self.service.call("StepUp.Get", challenge=challenge["id"])["steps"][0]
        return [{"step": step["id"], "value": code}]

    def confirm(self, person, challenge):
        """The owner answers a prompt, without a line on the screen."""
        reply = self.service.call("StepUp.Respond", challenge=challenge["id"],
                                  answers=self.answer(challenge, person.app.code()))
        if reply["state"] != "done":
            raise NotAsTold(f"{person.name}'s code was refused: {reply}")

    def enrol(self, person):
        begun = self.service.call("Factors.Begin", account=person.account, kind="totp", label="phone",
                                  proof="passport at the counter")
        return self._enrol_steps(person, begun)

    def _enrol_steps(self, person, begun):
        shown = next(step for step in begun["steps"] if step.get("uri"))
        asked = next(step for step in begun["steps"] if step["type"] == "code")
        person.uri = shown["uri"]
        person.app = Authenticator(person.uri)
        return {"enrolment": begun["enrolment"], "answers": [{"step": asked["id"], "value": person.app.code()}]}

    def prepare(self, person, allowance):
        """Another person, with everything that the chapters before have shown: no lines on the screen."""
        self.service.call("Factors.Finish", **self.enrol(person))
        begun = self.service.call("Links.Begin", account=person.account, provider="sandbox", native=True)
        made = self.service.call("Links.Complete", sign_in=begun["sign_in"],
                                 id_token=self.token(person, begun["nonce"]))
        self.confirm(person, made["challenge"])
        person.session = self.sign_in(person, show=False)
        granted = self.service.call("Allowances.Grant", session=person.session, **allowance)
        self.confirm(person, granted["challenge"])

    def allowance(self, each, day, total, payee="m-7"):
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
        return {"kind": "allowance", "payee": payee, "currency": "CNY", "per_payment": each, "per_day": day,
                "total": total, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ")}

    # -- the chapters

    def first_factor(self):
        lin = self.lin
        self.chapter("Lin's own factor",
                     "Lin opens a payment account. Before any ID is linked she enrols a factor that is hers "
                     "alone: an authenticator app.")
        begun = self.ask("Lin", "enrol an authenticator app", "Factors.Begin", "permit",
                         "Once per account, ever; the shop says how it knows Lin.",
                         account=lin.account, kind="totp", label="Lin's phone", proof="passport at the counter")
        done = self.ask("Lin", "type the first code", "Factors.Finish", "permit",
                        "They agree; the seed is sealed before it reaches the disk.",
                        **self._enrol_steps(lin, begun))
        lin.factor = done["factor"]["id"]
        self.ask("thief", "enrol an app of his own", "Factors.Begin", "step_up",
                 "The next factor takes a countersignature by the first.",
                 account=lin.account, kind="totp", label="a new phone", proof="he says he is Lin")

    def page(self, browser, person, who, code, word, why):
        """Answers on the step-up page, as a person does: a form, no JavaScript."""
        page = browser.press("answer", code1=code)
        confirmed = "Confirmed." in page.words
        self._told(who, "type the code on the page", "done" if confirmed else "wrong",
                   "Confirmed." if confirmed else f"HTTP {browser.status}", "POST /c/...", why, page.words, word)

    def link(self):
        lin = self.lin
        self.chapter("Lin links her ID",
                     "In her browser she is sent to the OpenID Provider, signs in there, and comes back. The "
                     "provider's word alone does not link the ID to her account.")
        begun = self.ask("Lin", "link the ID to the account", "Links.Begin", "done",
                         "State, nonce and PKCE are for this browser, once.",
                         account=lin.account, provider="sandbox", return_url=RETURN_URL)
        browser = Browser(self.at["ca"])
        page = browser.go(begun["start_url"], user=lin.user)
        asked = "/c/" in browser.url and browser.status == 200
        self._told("Lin", "sign in at the provider, come back", "step_up" if asked else "wrong",
                   "the step-up page" if asked else f"HTTP {browser.status}", "GET /callback/sandbox",
                   "Genuine, yet linking widens power: Lin must countersign.", page.words, "step_up")
        browser.press("open")
        self.page(browser, lin, "Lin", lin.app.code(), "done",
                  "In the browser that was sent there, and no other.")
        link = self.service.call("Links.List", account=lin.account)["links"][0]
        lin.link = link["id"]
        self.prove("the link is active, and grants nothing by itself", link["state"] == "active")

    def theft(self):
        lin = self.lin
        self.chapter("The stolen ID asks to spend",
                     "October 2018, again: a thief has Lin's third-party ID and its password, and "
                     "goes shopping.")
        session = self.sign_in(lin, "thief", "A session says who is asking, and nothing else.")
        self.thief_session = session
        asked = self.ask("thief", "pay 1999.00 CNY to Corner Shop", "Payments.Authorize", "deny",
                         "Past Lin's limits whoever asks, so nobody is even prompted.", session=session,
                         payment=self.payment("1999.00"))
        asked = self.ask("thief", "pay 200.00 CNY to Corner Shop", "Payments.Authorize",
                         ("step_up", "countersignature_required"),
                         "Lin is asked, with a factor that the thief has not.",
                         session=session, payment=self.payment("200.00"))
        challenge = asked["challenge"]
        card = self.service.call("StepUp.Get", challenge=challenge["id"])["card"]
        shown = f"{card.get('amount')} {card.get('currency')} to {card.get('payee')}"
        self.prove(f"the challenge is bound to what its card shows: {shown}",
                   minor(card["amount"].split()[0]) == 20000 and card.get("payee") == SHOP["name"])
        reply = self.ask("thief", "guess a code", "StepUp.Respond", "wrong",
                         "Counted before it is answered; five lock the factor.",
                         challenge=challenge["id"], answers=self.answer(challenge, lin.app.wrong()))
        self.prove(f"the wrong answer was counted: {reply['attempts_left']} attempts left",
                   0 < reply["attempts_left"] < 5)
        self.ask("Lin", "refuse: I did not ask for this", "StepUp.Refuse", "done",
                 "Saying no takes no factor; the prompt is gone.", challenge=challenge["id"])
        self.thief_tries += 2

    def countersigned(self):
        lin = self.lin
        self.chapter("Lin countersigns", "Lin herself buys something for 20.00 CNY.")
        lin.session = self.sign_in(lin, "Lin", "The very same ID; the broker cannot tell Lin from the thief yet.")
        order = self.order()
        payment = self.payment("20.00", order)
        asked = self.ask("Lin", "pay 20.00 CNY to Corner Shop", "Payments.Authorize",
                         ("step_up", "countersignature_required"), "Lin is asked, like anybody with her ID.",
                         session=lin.session, payment=payment)
        browser = Browser(self.at["ca"])
        browser.go(asked["challenge"]["url"])
        terms = browser.press("open").terms
        self.prove(f"the page shows what she says yes to: {terms.get('How much')} to {terms.get('To whom')}",
                   terms.get("How much") == "¥20.00 CNY" and terms.get("To whom", "").startswith(SHOP["name"]))
        self.page(browser, lin, "Lin", lin.app.code(), "done",
                  "This payment, this payee, this amount; once, within five minutes.")
        permit = self.ask("shop", "ask for the same payment again", "Payments.Authorize", ("permit", "countersigned"),
                          "Now there is a hold, and a receipt that anybody can check.",
                          session=lin.session, payment=payment, receipt=True)
        self.receipt(permit, order)
        self.ask("shop", "capture the hold", "Payments.Capture", "permit", "The money moves; a hold is captured once.",
                 hold=permit["hold"]["id"], capture_id=order)
        again = self.ask("shop", "ask again: was the reply lost?", "Payments.Authorize", "permit",
                         "A permit sticks to its payment id: nothing is spent twice.",
                         session=lin.session, payment=payment)
        self.prove("the same hold, replayed", again["hold"]["id"] == permit["hold"]["id"] and again["replayed"])
        self.ask("thief", "the same order for 2.00 CNY more", "Payments.Authorize", ("deny", "payment_mismatch"),
                 "What was countersigned is what is paid, to the cent.", session=lin.session,
                 payment=self.payment("22.00", order))

    def receipt(self, permit, order):
        """Checked with python3-jwcrypto against what the gateway publishes: nothing of the broker is in it."""
        _, keys = self.web.json("GET", "/.well-known/jwks.json")
        token = jws.JWS()
        token.deserialize(permit["receipt"])
        token.verify(jwk.JWKSet.from_json(json.dumps(keys)).get_key(token.jose_header["kid"]))
        claims = json.loads(token.payload)
        kinds = ", ".join(claims.get("factors", []))
        amount = f"{yuan(claims['amount_minor'])} {claims['currency']}"
        self.prove(f"python3-jwcrypto verifies the receipt: {amount}, {kinds}",
                   token.jose_header["typ"] == "countersign-receipt+jwt" and claims["jti"] == permit["hold"]["id"] and
                   claims["amount_minor"] == 2000 and claims["payment"] == order)

    def over_https(self):
        lin = self.lin
        self.chapter("The same question over HTTPS",
                     "A service elsewhere asks by OpenID AuthZEN 1.0, with its client certificate.")
        for who, session, amount, why in (
                ("thief", self.thief_session, "30.00", "An answer, not an error; context says what would help."),
                ("shop", lin.session, "800.00", "Above Lin's limit: denied without a prompt.")):
            status, reply = self.web.json("POST", "/access/v1/evaluation", {
                "subject": {"type": "account", "id": lin.account, "properties": {"session": session}},
                "action": {"name": "can_spend"},
                "resource": {"type": "payment", "id": self.order(), "properties": {
                    "amount": amount, "currency": "CNY", "payee": SHOP}}})
            context = reply.get("context", {})
            self._told(who, f"may {lin.name} pay {amount} CNY?", context.get("outcome", "wrong"),
                       context.get("reason", str(status)), "POST /access/v1/evaluation", why, reply,
                       "step_up" if who == "thief" else "deny")
            self.prove(f"HTTP {status} and decision: false", status == 200 and reply.get("decision") is False)
        bare = Https(self.at["https"], self.at["ca"])
        status, reply = bare.json("POST", "/access/v1/evaluation", {})
        self._told("thief", "ask without a client certificate", "deny" if status == 401 else "wrong", f"HTTP {status}",
                   "POST /access/v1/evaluation", "Who is not known is not answered.", reply, "deny")

    def bounded(self):
        lin = self.lin
        self.chapter("A bounded allowance",
                     "Confirming every coffee is tedious. Lin grants Corner Shop up to 100 CNY each, 300 a day, "
                     "500 in all, for 30 days.")
        granted = self.ask("Lin", "grant the allowance", "Allowances.Grant", "step_up",
                           "It widens power; the card shows the most that could be lost.",
                           session=lin.session, **self.allowance("100.00", "300.00", "500.00"))
        self.ask("Lin", "answer with the code on her phone", "StepUp.Respond", "done", "The allowance is open.",
                 challenge=granted["challenge"]["id"], answers=self.answer(granted["challenge"], lin.app.code()))
        for amount, why in (("80.00", "Within it, in a session that was countersigned: no prompt."),
                            ("100.00", "Still within: 180 of 300 today."), ("90.00", "270 of 300 today.")):
            self.ask("Lin", f"pay {amount} CNY to Corner Shop", "Payments.Authorize", ("permit", "allowance"), why,
                     session=lin.session, payment=self.payment(amount), capture=True)
        self.ask("Lin", "pay 60.00 CNY to Corner Shop", "Payments.Authorize", ("step_up", "countersignature_required"),
                 "Past 300 a day: the allowance ends here, and Lin is asked again.",
                 session=lin.session, payment=self.payment("60.00"))
        thief = self.sign_in(lin, "thief", "The stolen ID again, in a session of its own.")
        self.ask("thief", "pay 10.00 CNY to Corner Shop", "Payments.Authorize", "step_up",
                 "It works in sessions that Lin countersigned, not in a thief's.",
                 session=thief, payment=self.payment("10.00"))
        self.thief_tries += 1
        self.thief_session = thief

    def limit(self):
        lin = self.lin
        self.chapter("A limit is hit",
                     "Limits hold whatever was granted, and nobody is prompted for what would be denied anyway.")
        asked = self.ask("Lin", "pay 600.00 CNY to Corner Shop", "Payments.Authorize", ("deny", "limit_payment"),
                         "The policy allows 500 each.", session=lin.session, payment=self.payment("600.00"))
        self.prove("no challenge was made", "challenge" not in asked)
        self.ask("Lin", "lower her own limit to 50.00 CNY each", "Limits.Set", "permit",
                 "What narrows power needs no factor and holds at once.", account=lin.account,
                 limits={"currency": "CNY", "per_payment": "50.00"})
        self.ask("Lin", "pay 60.00 CNY to Corner Shop", "Payments.Authorize", ("deny", "limit_payment"),
                 "The smallest room wins.", session=lin.session, payment=self.payment("60.00"))
        self.ask("thief", "raise it to 5000.00 CNY again", "Limits.Set", "step_up",
                 "Raising a limit widens power: the owner must countersign.", account=lin.account,
                 limits={"currency": "CNY", "per_payment": "5000.00"})

    def crowd(self):
        mei = self.mei
        self.chapter(f"{CROWD} at once",
                     f"Mei has room for {CROWD_BUDGET} payments of 10.00 CNY today. {CROWD} requests arrive at the "
                     "same moment, on as many connections.")
        self.prepare(mei, self.allowance("10.00", "1000.00", "1000.00"))
        self.service.call("Limits.Set", account=mei.account, limits={"currency": "CNY",
                          "per_day": yuan(CROWD_BUDGET * 1000)})
        outcomes, together = [], threading.Barrier(CROWD)

        def pay(order):
            connection = Varlink(self.at["socket"])
            connection.connect()
            together.wait()
            try:
                outcomes.append(connection.call("Payments.Authorize", session=mei.session,
                                                payment=self.payment("10.00", order))["outcome"])
            except (Refusal, Lost) as error:
                outcomes.append(str(error))
            connection.close()

        threads = [threading.Thread(target=pay, args=(self.order(),)) for _ in range(CROWD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        permits, denials = outcomes.count("permit"), outcomes.count("deny")
        self.requests += CROWD
        self.counts["permit"] = self.counts.get("permit", 0) + permits
        self.counts["deny"] = self.counts.get("deny", 0) + denials
        call = "Payments.Authorize"
        self.screen.step("Mei", f"{permits} × pay 10.00 CNY", "permit", "allowance", call, "First come, first served.")
        self.screen.step("Mei", f"{denials} × pay 10.00 CNY", "deny", "limit_day", call, "Holds count as spent.")
        self.prove(f"exactly {CROWD_BUDGET} of {CROWD} were permitted",
                   permits == CROWD_BUDGET and denials == CROWD - CROWD_BUDGET)

    def ctl(self, *words):
        done = subprocess.run([self.at["countersignctl"], "--socket", self.at["admin_socket"], *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def freeze(self):
        lin = self.lin
        self.chapter("The admin freezes the provider",
                     "Word comes that IDs of this provider are being stolen. One line stops them "
                     "all; another lets them back in.")

        def admin(verb, reason, why):
            status, out, err = self.ctl("provider", verb, "sandbox", reason)
            self._told("admin", f"provider {verb} sandbox", "done" if status == 0 else "wrong", f"exit {status}",
                       "countersignctl", why, out + err, "done")

        admin("freeze", "reports of stolen IDs", "Everything through it, for everybody, in one commit.")
        self.ask("Lin", "pay 5.00 CNY to Corner Shop", "Payments.Authorize", ("deny", "provider_frozen"),
                 "Even within the allowance, in a countersigned session.", session=lin.session,
                 payment=self.payment("5.00"))
        admin("thaw", "all clear from the provider", "The provider works again; what was open before stays shut.")
        self.ask("thief", "pay 5.00 CNY in his old session", "Payments.Authorize",
                 ("deny", "session_revoked", "session_invalid"),
                 "A thaw revives no session: whoever was inside is outside.", session=self.thief_session,
                 payment=self.payment("5.00"))
        lin.session = self.sign_in(lin, "Lin", "Lin signs in afresh.")
        self.ask("Lin", "pay 5.00 CNY to Corner Shop", "Payments.Authorize", "step_up",
                 "A new session: confirm once.", session=lin.session, payment=self.payment("5.00"))
        self.thief_tries += 1

    # -- the burst

    def _burst(self, tao, orders, acknowledged, denied, lock, killed):
        """One client: asks for each payment until it has an answer. A lost reply is asked for again, same id."""
        connection = Varlink(self.at["socket"])
        while True:
            with lock:
                if not orders:
                    break
                order = orders.pop()
            deadline, lost = time.monotonic() + 20, False
            while True:
                try:
                    outcome = connection.call("Payments.Authorize", session=tao.session, capture=True,
                                              payment=self.payment("1.00", order))["outcome"]
                except (Lost, Refusal) as error:
                    if time.monotonic() > deadline or (isinstance(error, Refusal) and error.error != "Unavailable"):
                        outcome = str(error)
                    else:
                        lost = True
                        time.sleep(0.01)
                        continue
                break
            with lock:
                (acknowledged if outcome == "permit" else denied).append((order, outcome))
                if len(acknowledged) == BURST_KILL_AT and not killed:
                    killed.append(self.broker.engine_pid())
                    os.kill(killed[0], signal.SIGKILL)
                    killed.append((len(acknowledged), time.monotonic()))
                elif lost and len(killed) == 2:
                    killed.append(time.monotonic())  # the first answer of the engine that was started again
        connection.close()

    def crash(self):
        tao = self.tao
        self.chapter("kill -9 in the middle of a burst",
                     f"Tao has room for {BURST_BUDGET} payments of 1.00 CNY. {BURST_THREADS} clients ask "
                     f"for {BURST_ASKED}; in the midst of it the engine is killed.")
        self.prepare(tao, self.allowance("1.00", "1000.00", "1000.00"))
        self.service.call("Limits.Set", account=tao.account, limits={"currency": "CNY",
                          "per_day": yuan(BURST_BUDGET * 100)})
        orders = [self.order() for _ in range(BURST_ASKED)]
        acknowledged, denied, killed, lock = [], [], [], threading.Lock()
        threads = [threading.Thread(target=self._burst, args=(tao, orders, acknowledged, denied, lock, killed))
                   for _ in range(BURST_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.service.close()
        self.admin.close()
        self.requests += BURST_ASKED
        self.counts["permit"] = self.counts.get("permit", 0) + len(acknowledged)
        self.counts["deny"] = self.counts.get("deny", 0) + len(denied)
        if len(killed) < 3:
            raise NotAsTold("the engine was not killed in the midst of it, or did not come back")
        before, at = killed[1]
        call = "Payments.Authorize"
        self.screen.step("Tao", f"{before} × pay 1.00 CNY", "permit", "allowance", call,
                         "Each is on disk before it is acknowledged.")
        self.screen.step("admin", f"kill -9 {killed[0]} (the engine)", "done", "", "SIGKILL",
                         f"Back after {(killed[2] - at) * 1000:.0f} ms; clients repeat what got no reply.")
        self.screen.step("Tao", f"{len(acknowledged) - before} × pay 1.00 CNY", "permit", "allowance", call,
                         "The counters are what they were.")
        self.screen.step("Tao", f"{len(denied)} × pay 1.00 CNY", "deny", "limit_day", call, "The limit, to the cent.")
        there = 0
        for order, _ in acknowledged:
            hold = self.service.call("Payments.Get", account=tao.account, payment=order)["hold"]
            there += hold["state"] == "captured" and minor(hold["captured"].split()[0]) == 100
        self.prove(f"every acknowledged permit is there: {there} of {len(acknowledged)}", there == len(acknowledged))
        others = {outcome for _, outcome in denied} - {"deny"}
        self.prove(f"no limit is overspent: {yuan(len(acknowledged) * 100)} of {yuan(BURST_BUDGET * 100)} CNY",
                   len(acknowledged) == BURST_BUDGET and not others)
        self.engine_back_ms = (killed[2] - at) * 1000

    def plugin(self):
        lin = self.lin
        self.chapter("A plugin crashes, a plugin hangs",
                     "The provider \"shaky\" is a plugin written to misbehave. Each plugin lives in a "
                     "process of its own.")
        for asks, token, why in (
                ("plugin gets SIGSEGV", "!crash", "What rests on the plugin fails closed; its process is replaced."),
                ("plugin hangs", "!hang", "Killed at its deadline of one second.")):
            begun = self.service.call("Sessions.Begin", provider="shaky")
            self.ask("Lin", f"sign in at shaky: {asks}", "Sessions.Open", ("unavailable",), why,
                     sign_in=begun["sign_in"], id_token=token)
        self.sign_in(lin, "Lin", "Other providers never noticed.")

    def audit(self):
        self.chapter("countersignctl events",
                     "Every outcome, permits and denials alike, is one line of the audit log, and every permit "
                     "says what justified it. Lin's, and what the admin did:")
        status, out, err = self.ctl("--json", "events")
        if status != 0:
            raise NotAsTold(f"countersignctl events: exit {status}: {err}")
        self.requests += 1
        events = [json.loads(line) for line in out.splitlines()]
        for event in events:
            inner = event["json"]
            if inner.get("account") == self.lin.account or inner.get("author") == "admin":
                self.screen.event(event["time"][11:19], f"{event['type']} {inner.get('amount', '')}".strip(),
                                  "done" if event["reason"] == "asked" else event["outcome"],
                                  "" if event["reason"] == "asked" else event["reason"], self.evidence(inner))
        permits = [e for e in events if e["type"] == "payment_permitted" and e["json"]["account"].endswith(self.run)]
        self.prove(f"{len(events)} events; each of the {len(permits)} payments permitted names its evidence",
                   len(permits) > BURST_BUDGET and all(self.evidence(e["json"]) for e in permits))

    @staticmethod
    def evidence(inner):
        """What a permit rests on: a challenge or an allowance, with its factors. None where that is missing."""
        factors = ", ".join(factor["kind"] for factor in inner.get("factors", []))
        if not factors:
            return None
        if inner.get("basis") == "countersignature" and inner.get("challenge"):
            return f"by {factors}"
        if inner.get("basis") == "allowance" and inner.get("allowance"):
            return f"granted by {factors}"
        return None

    ALL = ("first_factor", "link", "theft", "countersigned", "over_https", "bounded", "limit", "crowd", "freeze",
           "crash", "plugin", "audit")

    def play(self):
        began = time.monotonic()
        for name in self.ALL:
            getattr(self, name)()
        self.took_s = time.monotonic() - began

    def ready_for_visitors(self):
        """After the story: Lin's limit is as before, and a payment waits for her code on the step-up page."""
        zoe = Person("Zoe", self.run)
        self.prepare(zoe, self.allowance("100.00", "300.00", "500.00"))
        asked = self.service.call("Payments.Authorize", session=self.sign_in(zoe, show=False),
                                  payment=self.payment("66.00"), return_url=RETURN_URL)
        return zoe, asked["challenge"]
