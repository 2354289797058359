# SPDX-License-Identifier: Apache-2.0
"""Many spends from several connections at once, and a ledger of what was acknowledged."""
import collections
import datetime
import itertools
import json
import threading
import time

from harness import VarlinkError

AHEAD = 16      # calls in flight on a connection
EVENTS_PAGE = 1000
CUT = (OSError, EOFError, ValueError)  # what a client sees of an engine that is no more


def until(broker, days=30):
    at = datetime.datetime.utcfromtimestamp(broker.clock.now_ms() // 1000 + days * 86400)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Spender:
    """A person whose allowance covers everything, so that each spend is one call; and what they were told."""

    def __init__(self, broker, per_day=None):
        self.broker = broker
        if per_day is None:
            self.person = broker.person()
        else:
            self.person = broker.person()
            broker.admin.call("Admin.SetLimit", scope="account", target=self.person.account,
                              limits={"currency": "CNY", "per_day": per_day})
        self.account = self.person.account
        self.session = self.person.session()
        asked = broker.service.call("Allowances.Grant", session=self.session, kind="allowance", payee="*", currency="CNY",
                                    per_payment="1000", per_day="400000", total="4000000", expires_at=until(broker))
        self.person.confirm(asked["challenge"]["id"])
        self.allowance = asked["allowance"]
        self.permits = {}     # payment id -> hold id, as acknowledged
        self.captured = {}    # payment id -> (capture id, amount)
        self.refunded = {}    # payment id -> (refund id, amount)
        self.denied = set()
        self.errors = collections.Counter()
        self.numbers = itertools.count(1)

    def call_for(self, payment, capture):
        return dict(session=self.session, payment=self.person.payment("1.00", id=payment), capture=capture)

    def burst(self, client, stop, heard):
        """Asks ahead until told to stop or cut off, and tells of each answer; every third hold is captured, every fifth
        refunded."""
        asked = collections.deque()
        try:
            while not stop.is_set() or asked:
                while len(asked) < AHEAD and not stop.is_set():
                    n = next(self.numbers)
                    payment = f"p-{n}"
                    asked.append(("permit", payment))
                    client.send("Payments.Authorize", **self.call_for(payment, capture=n % 3 != 0))
                what, payment, *rest = asked.popleft()
                self._answered(client, asked, what, payment, *rest)
                heard()
        except CUT:
            pass

    def _answered(self, client, asked, what, payment, *rest):
        try:
            answer = client.receive()
        except VarlinkError as error:
            self.errors[error.name] += 1
            return
        if what == "permit" and answer["outcome"] == "permit":
            self.permits[payment] = answer["hold"]["id"]
            self._go_on(client, asked, payment, answer["hold"])
        elif what == "permit":
            self.denied.add(payment)
        elif what == "capture":
            assert answer["hold"]["captured"] == "0.40", answer
            self.captured[payment] = rest
        else:
            assert answer["hold"]["refunded"] == "0.30", answer
            self.refunded[payment] = rest

    def _go_on(self, client, asked, payment, hold):
        n = int(payment[2:])
        if hold["state"] == "open":
            client.send("Payments.Capture", hold=hold["id"], capture_id=f"c-{n}", amount="0.40")
            asked.append(("capture", payment, f"c-{n}", "0.40"))
        elif n % 5 == 0:
            client.send("Payments.Refund", account=self.account, payment=payment, refund_id=f"r-{n}", amount="0.30")
            asked.append(("refund", payment, f"r-{n}", "0.30"))

    # --- afterwards

    def events(self):
        found, after = [], 0
        admin = self.broker.admin
        while True:
            page = admin.call("Admin.Events", after=after, limit=EVENTS_PAGE, account=self.account)
            found += page["events"]
            if page["next"] == after:
                return found
            after = page["next"]

    def spent(self):
        account = self.broker.admin.call("Admin.Account", account=self.account)["account"]
        return next((s["day"] for s in account["spent"] if s.get("currency") == "CNY"), "0.00")

    def check(self):
        """Everything that was acknowledged is there, once, and the sums of log and state agree."""
        call = self.broker.service.call
        events = self.events()
        assert [e["revision"] for e in events] == list(range(1, len(events) + 1))
        permitted = {e["json"]["hold"]: e for e in events if e["type"] == "payment_permitted"}
        done = collections.Counter((e["type"], e["json"].get("hold")) for e in events)
        assert all(n == 1 for (kind, _), n in done.items() if kind in ("payment_permitted", "payment_captured"))
        for payment, hold in self.permits.items():
            assert hold in permitted, f"the acknowledged permit of {payment} is gone"
            assert permitted[hold]["json"]["payment"] == payment
        for payment in list(self.permits)[-40:] + list(self.permits)[:10]:
            got = call("Payments.Get", account=self.account, payment=payment)["hold"]
            assert got["id"] == self.permits[payment]
            again = call("Payments.Authorize", **self.call_for(payment, capture=int(payment[2:]) % 3 != 0))
            assert (again["outcome"], again["replayed"], again["hold"]["id"]) == ("permit", True, got["id"]), again
        for payment, (capture, amount) in list(self.captured.items())[-20:]:
            again = call("Payments.Capture", hold=self.permits[payment], capture_id=capture, amount=amount)
            assert again["replayed"] is True and again["hold"]["captured"] == amount, again
        for payment, (refund, amount) in list(self.refunded.items())[-20:]:
            again = call("Payments.Refund", account=self.account, payment=payment, refund_id=refund, amount=amount)
            assert again["replayed"] is True and again["hold"]["refunded"] == amount, again
        for payment in self.captured:
            assert done["payment_captured", self.permits[payment]] == 1
        for payment in self.refunded:
            assert done["payment_refunded", self.permits[payment]] == 1
        # A permit of 1.00 counts whole until 0.60 of it is given back by a partial capture.
        cents = 100 * len(permitted) - 60 * sum(1 for (kind, _) in done if kind == "payment_captured")
        assert self.spent() == f"{cents // 100}.{cents % 100:02}"
        return len(permitted), cents


class Crowd:
    """Threads with a connection each, on several spenders, until the engine is cut off or they are told to stop."""

    def __init__(self, broker, spenders):
        self.broker = broker
        self.stop = threading.Event()
        self.failed = []
        self.answers, self.said = 0, threading.Condition()
        self.threads = [threading.Thread(target=self._run, args=(s, broker.connect())) for s in spenders]
        for thread in self.threads:
            thread.start()

    def _run(self, spender, client):
        try:
            spender.burst(client, self.stop, self._heard)
        except BaseException as error:  # told by the test, not by a thread that nobody hears
            self.failed.append(error)
        finally:
            self._heard(0)

    def _heard(self, answers=1):
        with self.said:
            self.answers += answers
            self.said.notify_all()

    def until(self, heard, what, seconds=60):
        """Goes on until the clients have heard this; it is a failure that they do not, however slow the machine."""
        deadline = time.monotonic() + seconds
        with self.said:
            while not heard():
                assert not self.failed, self.failed
                assert any(thread.is_alive() for thread in self.threads), f"cut off before {what}:\n" + self.broker.log()
                # A thread tells that it ends a moment before it has ended.
                self.said.wait(min(1, max(0, deadline - time.monotonic())))
                assert time.monotonic() < deadline, f"no sign of {what} within {seconds} s"

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.failed, self.failed


def log_is_whole(broker):
    """The sequence numbers of all events, without a gap, up to where the log ends."""
    after, seen = 0, 0
    while True:
        page = broker.admin.call("Admin.Events", after=after, limit=EVENTS_PAGE)
        for event in page["events"]:
            seen += 1
            assert event["seq"] == seen, json.dumps(event)
        if page["next"] == after:
            return seen
        after = page["next"]
