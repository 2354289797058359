# SPDX-License-Identifier: Apache-2.0
"""What a step-up costs without the human: from the payment that asks for one to its permit, for each kind of factor; and
what its page weighs. The broker is that of the scenarios: its clock is moved between rounds, since a code is good once."""
import json
import os
import re
import sys
import tempfile
import time

ROUNDS_EACH = 4       # of one account: far below what a link may prompt in a day
PAGE_MAX = 40_000     # card and script
COLUMNS = ("factor", "asked ms", "shown ms", "sent ms", "answered ms", "permitted ms", "in all p50", "in all p99", "rounds")
PARTS = ("asked", "shown", "sent", "answered", "permitted")

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   requisite   session     max-age=30d
spend   required    stepup      any={kind}
"""
EXTRA = """trusted-factor-limit CNY 1000
factor "webauthn" {{
    plugin "webauthn" servers 1 deadline 20s cooling-off 0
    set rp-id "localhost"
    set origin "{{url}}"
}}
factor "otp" {{
    plugin "otp" servers 1 deadline 20s cooling-off 0
    set channel mail set smtp "{smtp}" set from "codes@shop.example" set ca-file "{ca}"
}}
"""


class Factor:
    """One kind: enrols it for a person, and answers a step with it. `answer` is the owner's part and is not counted."""

    def __init__(self, kind, mail):
        self.kind, self.mail = kind, mail

    def enrol(self, person):
        call = person.service.call
        begun = call("Factors.Begin", account=person.account, kind=self.kind, label="one", proof="passport",
                     address="owner@example.com" if self.kind == "otp" else None)
        asked = next(step for step in begun["steps"] if step["type"] != "show")
        done = call("Factors.Finish", enrolment=begun["enrolment"],
                    answers=[{"step": asked["id"], "value": self.first(person, begun["steps"])}])
        if done["outcome"] != "permit":
            raise RuntimeError(f"{self.kind}: {done}")

    def first(self, person, steps):
        from harness import Totp
        from passkey import Passkey, unb64

        if self.kind == "totp":
            person.totp = Totp(person.broker.clock, next(step["uri"] for step in steps if step["type"] == "show"))
        if self.kind != "webauthn":
            return self.answer(person, None)
        options = json.loads(steps[0]["options"])
        person.passkey = Passkey("localhost", person.broker.url)
        person.passkey.user_handle = unb64(options["user"]["id"])
        return person.passkey.register(options["challenge"])

    def answer(self, person, step):
        if self.kind == "totp":
            return person.totp.code()
        if self.kind == "webauthn":
            return person.passkey.sign(step["challenge"])
        return last_code(self.mail)


def last_code(mail):
    """The code in the mail that arrived last."""
    with mail.lock:
        text = mail.messages[-1].text
    return re.search(r"(?<![\w-])(\d{6})(?!\w)", text).group(1)


class Stopwatch:
    def __init__(self):
        self.at = {}

    def time(self, part, call, *args, **parameters):
        start = time.perf_counter()
        reply = call(*args, **parameters)
        self.at[part] = self.at.get(part, 0) + time.perf_counter() - start
        return reply


def one(person, factor, session):
    """A payment from question to permit; gives the seconds of each part."""
    call, watch, payment = person.service.call, Stopwatch(), person.payment()
    if factor.kind == "totp":
        person.totp.clock.advance(person.totp.period * 1000)  # the next code; connections are made again below
    call("Whoami")
    asked = watch.time("asked", call, "Payments.Authorize", session=session, payment=payment)
    challenge = asked["challenge"]["id"]
    shown = watch.time("shown", call, "StepUp.Get", challenge=challenge)
    step = next(step for step in shown["steps"] if step["kind"] == factor.kind)
    if step.get("begin"):
        watch.time("sent", call, "StepUp.Begin", challenge=challenge, step=step["id"])
    value = factor.answer(person, step)
    done = watch.time("answered", call, "StepUp.Respond", challenge=challenge, answers=[{"step": step["id"], "value": value}])
    permit = watch.time("permitted", call, "Payments.Authorize", session=session, payment=payment)
    if done["state"] != "done" or permit["outcome"] != "permit":
        raise RuntimeError(f"{factor.kind}: {done} {permit}")
    return watch.at


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def confirm_by(person, factor):
    def confirm(challenge, *_, **__):
        call = person.service.call
        step = next(s for s in call("StepUp.Get", challenge=challenge)["steps"] if s["kind"] == factor.kind)
        if step.get("begin"):
            call("StepUp.Begin", challenge=challenge, step=step["id"])
        call("StepUp.Respond", challenge=challenge, answers=[{"step": step["id"], "value": factor.answer(person, step)}])
    return confirm


def measure_factor(broker, factor, rounds):
    from harness import Person

    times = []
    while len(times) < rounds:
        person = Person(broker)
        factor.enrol(person)
        person.confirm = confirm_by(person, factor)
        person.link()
        session = person.session()
        times += [one(person, factor, session) for _ in range(min(ROUNDS_EACH, rounds - len(times)))]
    row = {"factor": factor.kind, "rounds": len(times)}
    for part in PARTS:
        values = [t[part] for t in times if part in t]
        row[f"{part} ms"] = quantile(values, 0.5) * 1000 if values else None
    sums = [sum(t.values()) for t in times]
    row["in all p50"], row["in all p99"] = quantile(sums, 0.5) * 1000, quantile(sums, 0.99) * 1000
    return row


def weigh(broker, person, session):
    """Bytes of the step-up page with their headers, and how many answers a browser waits for before it can be read."""
    from harness import Browser

    url = person.authorize(session, person.payment())["challenge"]["url"]
    browser, rows = Browser(broker), []
    for name, answer in (("the link", browser.get(url)), ("the card", browser.post(url, do="open")),
                         ("its script, not waited for", browser.get("/countersign.js"))):
        status, headers, text = answer
        size = len(text.encode()) + sum(len(k) + len(v) + 4 for k, v in headers.items())
        rows.append({"page": name, "bytes": size, "status": status})
    return rows


def print_rows(rows, columns):
    cells = [[("" if row.get(c) is None else f"{row[c]:.2f}" if isinstance(row[c], float) else str(row[c])) for c in columns]
             for row in rows]
    widths = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(columns)]
    for line in [columns, *cells]:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))


def measure_kind(kind, rounds, scratch):
    """A row of the first table; and, by TOTP, the second table."""
    from harness import Broker
    from sinks import MailSink, certificates

    with tempfile.TemporaryDirectory(prefix="cs-bench-", dir=scratch) as directory:
        keys = certificates(directory)
        mail = MailSink(keys.good)
        broker = Broker(host="localhost", stack=STACK.format(kind=kind), extra=EXTRA.format(smtp=mail.url, ca=keys.ca))
        try:
            row, pages = measure_factor(broker, Factor(kind, mail), rounds), []
            if kind == "totp":
                person = broker.person()
                pages = weigh(broker, person, person.session())
            return row, pages
        finally:
            broker.stop()
            mail.close()


def measure(options):
    """Both tables. options: build, source, scratch, quick, json."""
    os.environ["CS_BUILDDIR"], os.environ["CS_SRCDIR"] = options.build, options.source
    sys.path[:0] = [os.path.join(options.source, "tests", name) for name in ("scenario", "interop")]
    rows, pages = [], []
    for kind in ("totp", "webauthn", "otp"):
        print(f"  {kind} ...", file=sys.stderr, flush=True)
        row, found = measure_kind(kind, 8 if options.quick else 100, options.scratch)
        rows.append(row)
        pages += found
    print("\nFrom a payment that asks for a countersignature to its permit, without the human (medians in ms):")
    print_rows(rows, COLUMNS)
    print("\nThe step-up page, headers included; the card can be read after one answer, and nothing else is fetched for it:")
    print_rows(pages, ("page", "bytes", "status"))
    with open(options.json, "w", encoding="utf-8") as f:
        json.dump({"step_up": rows, "pages": pages}, f, indent=1)
    return 0 if sum(page["bytes"] for page in pages[1:]) < PAGE_MAX else 1
