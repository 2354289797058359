# SPDX-License-Identifier: Apache-2.0
"""
Many clients at several brokers at once, and what each was told and when: the history that checker.py judges.

    purses = [Purse(brokers[0]) for _ in range(4)]
    load = Load(brokers, purses)             # runs when this returns
    load.heard(200)                          # goes on until so many more answers came
    ...                                      # the fault
    load.serves_again(purses)                # until each purse was served again, gives the seconds that took
    load.end()
    assert_whole(load)                       # the checker's verdict, on the log as a broker tells it
"""
import collections
import datetime
import itertools
import random
import threading
import time

import checker
from checker import OK, REFUSED, UNKNOWN, Book, Event, Op
from harness import Client, VarlinkError
from waiting import until

CUT = (OSError, EOFError, ValueError)      # what a client sees of a broker that is gone
UNSURE = {"Unavailable"}                   # errors after which it may have happened all the same
PAUSE_S = 0.01                             # after an error: nobody asks a broken broker as fast as it can refuse
EVENTS_PAGE = 1000
BUCKETS, SLOTS_OF_BUCKET = 1024, 16
# Denials that are service, too: they are answered from what the store has.
SERVICE = {"limit_day", "payment_mismatch", "prompt_budget", "countersignature_required"}
CODE_AMOUNT = "600.00"                     # above what the allowance covers: takes a code
KINDS = ("new", "new", "new", "raced", "again", "get", "capture", "capture", "release", "refund")
POLICY = "per-payment 1000 per-day 500000 per-month 5000000 count-day 1000000 count-month 1000000"


def cents(text):
    whole, _, rest = text.partition(".")
    return int(whole) * 100 + int(rest.ljust(2, "0"))


def text_of(amount):
    return f"{amount // 100}.{amount % 100:02}"


def key_of(broker, account):
    """Of its record, hexadecimal."""
    return broker.admin.call("Admin.Events", account=account, limit=1)["events"][0]["key"]


def slot_of(key):
    """The first of its bucket's."""
    return (int(key[:4], 16) >> 6) * SLOTS_OF_BUCKET


class Purse:
    """An account with an allowance for everything up to 500; its day limit is small where per_day is given."""

    TOTAL = 4_000_000_00

    def __init__(self, broker, per_day=None, total=None, person=None):
        """person: one with a factor and no ID yet; else a new one."""
        self.person = person or broker.person(linked=False)
        self.person.link()
        self.account = self.person.account
        self.day_limit = None
        if per_day is not None:
            broker.admin.call("Admin.SetLimit", scope="account", target=self.account, limits={"currency": "CNY", "per_day": per_day})
            self.day_limit = cents(per_day)
        self.session = self.person.session()
        self.total = total or self.TOTAL
        expires = datetime.datetime.utcfromtimestamp(broker.clock.now_ms() // 1000 + 5 * 86400).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked = broker.service.call("Allowances.Grant", session=self.session, kind="allowance", payee="*", currency="CNY",
                                    per_payment=text_of(min(500_00, self.total)), per_day="400000", total=text_of(self.total), expires_at=expires)
        self.person.confirm(asked["challenge"]["id"])
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.payments = {}               # id -> {amounts asked for}
        self.open = {}                   # payment -> hold, as far as anybody knows
        self.captured = {}               # payment -> hold
        self.code_rounds = 0
        self.key = None                  # hexadecimal

    def slot(self, broker):
        """Where a cluster keeps it."""
        if self.key is None:
            self.key = key_of(broker, self.account)
        return slot_of(self.key)

    def payment(self, id, amount):
        return {"id": id, "amount": text_of(amount), "currency": "CNY", "payee": {"id": "m-7", "name": "Corner Shop"}}


class Load:
    """Threads with one connection each; of several brokers each has as many."""

    def __init__(self, brokers, purses, clients=2, seed=None, codes=True, kinds=KINDS, evidence=None):
        """evidence(accounts): what brokers and servers say of them, for when they are not served."""
        self.brokers, self.purses, self.kinds, self.evidence = brokers, purses, kinds, evidence
        self.seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
        print(f"seed={self.seed}")
        self.ops, self.failed = [], []
        self.stop, self.said = threading.Event(), threading.Condition()
        self.threads = [threading.Thread(target=self._run, args=(n, i, broker), daemon=True)
                        for i, broker in enumerate(brokers) for n in range(clients)]
        if codes:
            self.threads.append(threading.Thread(target=self._guarded, args=(self._codes,), daemon=True))
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()

    # --- clients

    def _guarded(self, run):
        try:
            run()
        except BaseException as error:   # told by the test, not by a thread that nobody hears
            self.failed.append(error)
            raise
        finally:
            with self.said:
                self.said.notify_all()

    def _run(self, n, i, broker):
        rng = random.Random(f"{self.seed}-{i}-{n}")
        self._guarded(lambda: self._client(rng, i, broker))

    def _client(self, rng, i, broker):
        client = None
        while not self.stop.is_set():
            if client is None and (client := self._connect(broker)) is None:
                self.stop.wait(PAUSE_S)
                continue
            purse = rng.choice(self.purses)
            op = self._act(client, rng, i, broker, purse)
            if op is not None and op.result == UNKNOWN:
                self.stop.wait(PAUSE_S)
                if op.why == "cut":
                    client.close()
                    client = None
        if client is not None:
            client.close()

    def _connect(self, broker):
        try:
            return Client(broker.path("service.sock"))
        except OSError:
            return None

    def _act(self, client, rng, i, broker, purse):
        kind = rng.choice(self.kinds)
        name = f"b{i}"
        with purse.lock:
            known = list(purse.payments.items())[-40:]
            holds = list(purse.open.items())
            captured = list(purse.captured.items())[-20:]
        if kind in ("new", "raced") or not known:
            with purse.lock:
                # Raced: every broker asks for the same id at about the same time, each with an amount of its own.
                payment = f"r-{len(purse.payments) // 4}" if kind == "raced" else f"p-{next(purse.numbers)}"
                amount = 100 * (1 + i) if kind == "raced" else rng.choice((100, 150, 275))
                purse.payments.setdefault(payment, set()).add(amount)
            return self._permit(client, name, purse, payment, amount, rng.random() < 0.3)
        payment, amounts = rng.choice(known)
        if kind == "again":
            return self._permit(client, name, purse, payment, rng.choice(sorted(amounts)), rng.random() < 0.3)
        if kind == "get":
            return self._get(client, name, purse, payment)
        if kind == "refund" and captured:
            payment, hold = rng.choice(captured)
            return self._refund(client, name, purse, payment, hold)
        if holds:
            payment, hold = rng.choice(holds)
            return (self._capture if kind == "capture" else self._release)(client, name, purse, payment, hold)
        return None

    def _ask(self, client, op, method, **parameters):
        """One call; gives what was answered, or None, and writes it down."""
        op.begun = time.monotonic()
        answer = None
        try:
            answer = client.call(method, **parameters)
            op.result = OK
        except VarlinkError as error:
            op.result, op.why = (UNKNOWN if error.name in UNSURE else REFUSED), error.name
            op.error = error
        except CUT:
            op.result, op.why = UNKNOWN, "cut"
        op.ended = time.monotonic() if op.result != UNKNOWN else None
        op.gave_up = time.monotonic()
        return answer

    def _wrote(self, op):
        with self.said:
            self.ops.append(op)
            self.said.notify_all()
        return op

    def _permit(self, client, name, purse, payment, amount, capture):
        op = Op("permit", purse.account, 0, payment=payment, amount=amount, broker=name, at_once=capture)
        answer = self._ask(client, op, "Payments.Authorize", session=purse.session, payment=purse.payment(payment, amount), capture=capture)
        if answer and answer["outcome"] == "permit":
            self._held(op, answer["hold"])
            with purse.lock:
                if op.state == "open":
                    purse.open[payment] = op.hold
                elif op.state == "captured":
                    purse.captured[payment] = op.hold
        elif answer:
            op.result, op.why = REFUSED, answer["reason"]
        return self._wrote(op)

    @staticmethod
    def _held(op, hold):
        op.hold, op.state = hold["id"], hold["state"]
        op.captured = cents(hold["captured"]) if "captured" in hold else None

    def _get(self, client, name, purse, payment):
        op = Op("get", purse.account, 0, payment=payment, broker=name)
        answer = self._ask(client, op, "Payments.Get", account=purse.account, payment=payment)
        if answer:
            self._held(op, answer["hold"])
        elif op.why == "NotFound":
            op.result, op.state = OK, "absent"
        return self._wrote(op)

    def _capture(self, client, name, purse, payment, hold):
        op = Op("capture", purse.account, 0, payment=payment, hold=hold, broker=name)
        answer = self._ask(client, op, "Payments.Capture", hold=hold, capture_id=f"c-{payment}", amount="0.40")
        if answer and answer["outcome"] == "permit":
            self._held(op, answer["hold"])
            with purse.lock:
                purse.captured[payment] = hold
        elif answer:
            op.result, op.why = REFUSED, answer["reason"]
        self._forget(op, purse, payment)
        return self._wrote(op)

    def _release(self, client, name, purse, payment, hold):
        op = Op("release", purse.account, 0, payment=payment, hold=hold, broker=name)
        answer = self._ask(client, op, "Payments.Release", hold=hold)
        if answer:
            self._held(op, answer["hold"])
        self._forget(op, purse, payment)
        return self._wrote(op)

    @staticmethod
    def _forget(op, purse, payment):
        """Ended, or somebody else did: not asked for again. What was not answered is."""
        if op.result != UNKNOWN:
            with purse.lock:
                purse.open.pop(payment, None)

    def _refund(self, client, name, purse, payment, hold):
        op = Op("refund", purse.account, 0, payment=payment, hold=hold, amount=30, broker=name)
        answer = self._ask(client, op, "Payments.Refund", account=purse.account, payment=payment, refund_id=f"r-{payment}", amount="0.30")
        if answer:
            self._held(op, answer["hold"])
        return self._wrote(op)

    # --- codes: one of each, brought to all brokers at the same moment

    def _codes(self):
        rng = random.Random(f"{self.seed}-codes")
        while not self.stop.wait(0.2):
            purse = rng.choice(self.purses)
            if purse.code_rounds < 2:
                self._code_round(purse)

    def _code_round(self, purse):
        totp = purse.person.totp
        step = max(totp.used + 1, totp.step())
        if step > totp.step() + 1:
            return
        asked = [(broker, challenge) for broker in self.brokers if (challenge := self._challenge(broker, purse))]
        if len(asked) < len(self.brokers):
            return
        purse.code_rounds += 1
        totp.used = step
        threads = [threading.Thread(target=self._prove, args=(f"b{i}", *each, purse, step)) for i, each in enumerate(asked)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _challenge(self, broker, purse):
        payment = purse.payment(f"code-{time.monotonic_ns()}", cents(CODE_AMOUNT))
        try:
            client = Client(broker.path("service.sock"))
            answer = client.call("Payments.Authorize", session=purse.session, payment=payment)
            client.close()
            return answer["challenge"]["id"] if answer["outcome"] == "step_up" else None
        except (VarlinkError, *CUT):
            return None

    def _prove(self, name, broker, challenge, purse, step):
        op = Op("code", purse.account, 0, code=("totp", step), broker=name)
        try:
            client = Client(broker.path("service.sock"))
        except OSError:
            return
        answer = self._ask(client, op, "StepUp.Respond", challenge=challenge,
                           answers=[{"step": purse.person.totp.id, "value": purse.person.totp.at(step)}])
        client.close()
        if answer and answer["state"] != "done":
            op.result, op.why = REFUSED, answer.get("reason", answer["state"])
        self._wrote(op)

    # --- the test

    def wait(self, heard, what, seconds=60):
        """Until the clients have heard this; a failure that they do not, however slow the machine."""
        deadline = time.monotonic() + seconds
        with self.said:
            while not heard():
                assert not self.failed, self.failed
                left = deadline - time.monotonic()
                if left <= 0:
                    missed = what() if callable(what) else what
                    if self.evidence and not callable(what):
                        print(self.evidence(self.purses))
                    raise AssertionError(f"no sign of {missed} within {seconds} s; of late: {[str(op) for op in self.ops[-5:]]}")
                self.said.wait(min(1, left))

    def heard(self, answers):
        """So many more of anything that is good."""
        begun = len(self.ops)
        good = 0

        def enough():
            nonlocal begun, good
            good += sum(op.result == OK for op in self.ops[begun:])
            begun = len(self.ops)
            return good >= answers

        self.wait(enough, f"{answers} answers")

    def serves_again(self, purses=None, since=None, what="service", seconds=60):
        """Until each of these was permitted or captured anew at every broker; seconds since, of the last of them and of the first."""
        since = time.monotonic() if since is None else since
        wanted = {(p.account, f"b{i}") for p in (purses or self.purses) for i, b in enumerate(self.brokers) if b.running()}
        times, at = {}, 0

        def all_served():
            nonlocal at
            for op in self.ops[at:]:
                if op.begun >= since and op.ended is not None and self._good(op):
                    times.setdefault((op.account, op.broker), op.ended - since)
            at = len(self.ops)
            return wanted <= set(times)

        def missing():
            left = wanted - set(times)
            last = {(op.account, op.broker): str(op) for op in self.ops if (op.account, op.broker) in left}
            first = {each: f"{count} of {sum((op.account, op.broker) == each for op in self.ops)}" for each, count in collections.Counter(
                (op.account, op.broker) for op in self.ops if op.begun < since and self._good(op)).items() if each in left}
            if self.evidence:
                print(self.evidence([purse for purse in self.purses if purse.account in {account for account, _ in left}]))
            return f"{what} of {sorted(left)}, last told: {list(last.values())}, good before: {first}"

        self.wait(all_served, missing, seconds)
        return max(times[each] for each in wanted), min(times[each] for each in wanted)

    @staticmethod
    def _good(op):

        return op.what in ("permit", "capture", "release") and (op.result == OK or op.why in SERVICE)

    def errors(self):
        return collections.Counter(op.why for op in self.ops if op.result == UNKNOWN)

    def refusals(self):
        return collections.Counter(op.why for op in self.ops if op.result == REFUSED)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
        assert not self.failed, self.failed
        return self


# --- the log, as a broker tells it

CODES = {"challenge_answered", "factor_enrolled"}


def unless_busy(ask):
    """The answer; None where the broker had none in time."""
    try:
        return ask()
    except VarlinkError as error:
        if error.name not in UNSURE:
            raise
        return None


def events_of(broker, account):
    """All events of an account, down to its newest: a log of many writers shows the last moment late."""
    admin = broker.admin

    def whole():
        newest = admin.call("Admin.Account", account=account)["account"]["revision"]
        found, after = [], 0
        while True:
            page = admin.call("Admin.Events", after=after, limit=EVENTS_PAGE, account=account)
            found += page["events"]
            if page["next"] == after:
                break
            after = page["next"]
        return found if found and found[-1]["revision"] >= newest else None

    return until(lambda: unless_busy(whole), f"the log of {account} down to its end")


def bytes_of_log(broker):
    """(key, revision) -> the event as it is stored."""
    rows, after = {}, 0
    while True:
        page = broker.admin.call("Admin.Log", after=after, limit=EVENTS_PAGE)
        for row in page["rows"]:
            rows[row[16:48], int.from_bytes(bytes.fromhex(row[48:64]), "little")] = bytes.fromhex(row[64:])
        if page["next"] == after:
            return rows
        after = page["next"]


def event_of(told, rows):
    """An event as Admin.Events gives it, for the checker."""
    json = told["json"]
    code = (json["kind"], json["step"]) if told["type"] in CODES and "step" in json else None
    amount = cents(json["amount"]) if told["type"] == "payment_permitted" else 0
    at_once = amount if "capture" in json.get("flags", ()) else 0
    return Event(told["type"], told["revision"], json.get("payment"), json.get("hold"), amount=amount,
                 captured=cents(json["captured"]) if told["type"] == "payment_captured" else at_once,
                 refunded=cents(json["amount"]) if told["type"] == "payment_refunded" else 0,
                 code=code, allowance=json.get("allowance"), day=json.get("day", 0), prev=json.get("prev"),
                 bytes=rows.get((told["key"], told["revision"])))


def books_of(broker, purses):
    told = {purse.account: events_of(broker, purse.account) for purse in purses}
    newest = [(events[-1]["key"], events[-1]["revision"]) for events in told.values()]

    def all_rows():
        rows = bytes_of_log(broker)
        return rows if all(each in rows for each in newest) else None

    rows = until(lambda: unless_busy(all_rows), "the whole log down to its end")
    return {purse.account: Book([event_of(e, rows) for e in told[purse.account]], purse.day_limit, purse.total) for purse in purses}


def assert_whole(load, brokers=None):
    """The verdict, by the log as each broker tells it: they tell the same."""
    for i, broker in enumerate(brokers or load.brokers):
        books = books_of(broker, load.purses)
        assert all(e.bytes for book in books.values() for e in book.events), f"broker {i}: Admin.Log and Admin.Events differ"
        wrong = checker.check(load.ops, books)
        assert not wrong, f"broker {i}, seed {load.seed}:\n" + "\n".join(wrong[:20])
    by = collections.Counter((op.what, op.result) for op in load.ops)
    slowest = max(load.ops, key=lambda op: op.gave_up - op.begun)
    print(" ".join(f"{what}:{result}={n}" for (what, result), n in sorted(by.items())),
          f"slowest={slowest.gave_up - slowest.begun:.2f}s ({slowest.what} {slowest.result} {slowest.why})")
