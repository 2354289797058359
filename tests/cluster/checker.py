# SPDX-License-Identifier: Apache-2.0
"""
Judges what several brokers told many clients by what the log says happened. It knows nothing of brokers or stores: a history and the books of
the accounts go in, sentences on what is wrong come out.

    wrong = check(history, books)            # [] where all is well

A history is a list of Op (history.py writes it): what was asked, when, and what was answered, if anything was. A Book is what the log has of one
account. What must hold:

    acknowledged   every permit, capture, release, refund and code that somebody was told of stands in the log
    once           a payment has one hold, a hold one capture or one release, a code (a step of an app, a line of a printed list) one use
    within limits  at no point of the log is more spent than the account's day and the allowance hold
    agreed         all answers on one payment name one hold and one amount; an amount that was not permitted is never permitted later
    in order       what was begun after something was acknowledged comes after it in the log, and never answers an older state
    no future      no answer tells of what nobody had asked for yet
    refused        what was surely refused did not happen
    chained        revisions without a gap, each event naming the hash of the one before

What was never answered may have happened, once, or not at all: it may be in the log, and nothing says that it must.
"""
import collections
import dataclasses
import hashlib

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
ORDER = {"absent": 0, "open": 1, "captured": 2, "released": 2}


@dataclasses.dataclass
class Op:
    """One call. begun, ended: seconds of one clock; ended None: never answered."""

    what: str                      # permit, capture, release, refund, get, code
    account: str
    begun: float
    ended: float = None
    result: str = UNKNOWN
    payment: str = None
    hold: str = None               # asked for, or answered
    amount: int = 0                # cents, asked for
    state: str = None              # of the hold, as answered: open, captured, released; absent: there is none
    captured: int = None           # cents, as answered
    code: tuple = None             # (kind, step or line) as proved
    broker: str = ""
    why: str = ""
    at_once: bool = False          # a permit that asks for its capture, too

    def __str__(self):
        return (f"{self.what} of {self.payment or self.code} at {self.broker or '?'} "
                f"[{self.begun:.3f}, {'-' if self.ended is None else format(self.ended, '.3f')}] {self.result} {self.why}".rstrip())


@dataclasses.dataclass
class Event:
    """What the checker needs of an event of the log. bytes: as stored; prev: what it names as the one before, hexadecimal."""

    type: str
    revision: int
    payment: str = None
    hold: str = None
    amount: int = 0                # cents
    captured: int = 0              # of a permit: that it was captured at once
    refunded: int = 0
    code: tuple = None
    allowance: str = None
    day: int = 0
    prev: str = None
    bytes: bytes = None


@dataclasses.dataclass
class Book:
    events: list
    day_limit: int = None          # cents
    allowance_limit: int = None
    replayed_from: int = 0         # revisions up to here belong to the preparation
    extra: dict = dataclasses.field(default_factory=dict)


def check(history, books):
    wrong = []
    for account, book in books.items():
        ops = [op for op in history if op.account == account]
        found = Account(account, ops, book)
        wrong += found.judge()
    for op in history:
        if op.account not in books:
            wrong.append(f"there is no book of {op.account}, of which the history has {op}")
    return wrong


class Account:
    """One account's part of the judgement."""

    def __init__(self, name, ops, book):
        self.name, self.ops, self.book = name, sorted(ops, key=lambda op: op.begun), book
        self.permits = [e for e in book.events if e.type == "payment_permitted"]
        self.ends = {kind: [e for e in book.events if e.type == "payment_" + kind] for kind in ("captured", "released", "expired", "refunded")}
        self.by_hold = {e.hold: e for e in self.permits}
        self.ended = {kind: {e.hold: e for e in events} for kind, events in self.ends.items()}
        self.used = {e.code: e for e in book.events if e.code}
        self.asked = collections.defaultdict(list)         # (payment, code) -> calls
        for op in self.ops:
            self.asked[op.payment, op.code].append(op)
        self.wrong = []

    def say(self, text):
        self.wrong.append(f"{self.name}: {text}")

    def judge(self):
        self.chained()
        self.once()
        self.within_limits()
        self.acknowledged()
        self.agreed()
        self.refused()
        self.in_order_of_the_log()
        self.never_older()
        self.no_future()
        return self.wrong

    # --- the log by itself

    def chained(self):
        events = self.book.events
        revisions = [e.revision for e in events]
        if revisions != list(range(1, len(events) + 1)):
            at = next((i for i, r in enumerate(revisions) if r != i + 1), len(revisions))
            self.say(f"revision {at + 1} is missing or stands elsewhere: {revisions[max(0, at - 2):at + 3]}")
        before = None
        for event in events:
            if event.bytes is not None and before is not None and event.prev != hashlib.sha256(before).hexdigest():
                self.say(f"event {event.revision} names another event as the one before it")
            before = event.bytes

    def once(self):
        for what, names in (("holds", [e.payment for e in self.permits]),
                            ("permits", [e.hold for e in self.permits]),
                            ("ends", [e.hold for kind in ("captured", "released", "expired") for e in self.ends[kind]] +
                             [e.hold for e in self.permits if e.captured]),
                            ("uses", [e.code for e in self.book.events if e.code])):
            for name, n in collections.Counter(names).items():
                if n > 1:
                    self.say(f"{name} has {n} {what}")
        for kind, events in self.ends.items():
            for event in events:
                if event.hold not in self.by_hold:
                    self.say(f"{event.hold} was {kind} and never permitted")
                elif event.revision < self.by_hold[event.hold].revision:
                    self.say(f"{event.hold} was {kind} before it was permitted")
        # An app's steps only go forward.
        last = -1
        for event in self.book.events:
            if event.code and event.code[0] == "totp":
                if event.code[1] <= last:
                    self.say(f"step {event.code[1]} was taken after step {last}")
                last = max(last, event.code[1])

    def within_limits(self):
        days, allowances, counted, captured, refunded = collections.Counter(), collections.Counter(), {}, {}, collections.Counter()
        for e in self.book.events:
            if e.type == "payment_permitted":
                counted[e.hold] = e
                captured[e.hold] = e.captured
                days[e.day] += e.amount
                allowances[e.allowance] += e.amount
                self._over(e, "the day", days[e.day], self.book.day_limit)
                if e.allowance:
                    self._over(e, "the allowance", allowances[e.allowance], self.book.allowance_limit)
            elif e.type in ("payment_captured", "payment_released", "payment_expired") and e.hold in counted:
                of = counted.pop(e.hold)
                if e.captured > of.amount:
                    self.say(f"{e.hold} was captured with {e.captured} of {of.amount}")
                captured[e.hold] = e.captured
                days[of.day] -= of.amount - e.captured
                allowances[of.allowance] -= of.amount - e.captured
            elif e.type == "payment_refunded":
                refunded[e.hold] += e.refunded
                if refunded[e.hold] > captured.get(e.hold, 0):
                    self.say(f"{refunded[e.hold]} of {e.hold} were refunded, {captured.get(e.hold, 0)} captured")

    def _over(self, event, what, used, limit):
        if limit is not None and used > limit:
            self.say(f"revision {event.revision} overspends {what}: {used} of {limit}")

    # --- what was said, against the log

    def told(self, *what):
        return [op for op in self.ops if op.result == OK and op.what in what]

    def _event_of(self, op):
        """The event that made what was acknowledged so; a sentence where there is none."""
        if op.what == "permit":
            return self.by_hold.get(op.hold, "is not in the log")
        if op.what == "code":
            return self.used.get(op.code, "is not in the log")
        kind = {"capture": "captured", "release": "released", "refund": "refunded"}[op.what]
        found = self.ended[kind].get(op.hold)
        if op.what == "capture" and found and found.captured != op.captured:
            return f"stands in the log with {found.captured}, and {op.captured} was acknowledged"
        return found or "is not in the log"

    def acknowledged(self):
        for op in self.told("permit", "capture", "release", "refund", "code"):
            event = self._event_of(op)
            if isinstance(event, str):
                self.say(f"acknowledged, but it {event}: {op}")
            elif op.what == "permit" and (event.payment, event.amount) != (op.payment, op.amount):
                self.say(f"permitted for {event.payment} of {event.amount}, but this was told of it: {op} of {op.amount}")

    def agreed(self):
        holds = collections.defaultdict(set)
        for op in self.told("permit", "get", "capture", "release", "refund"):
            if op.payment and op.hold and op.state != "absent":
                holds[op.payment].add(op.hold)
        for payment, names in holds.items():
            if len(names) > 1:
                self.say(f"{payment} was answered with {len(names)} holds: {sorted(names)}")
        codes = collections.Counter(op.code for op in self.told("code"))
        for code, n in codes.items():
            if n > 1:
                self.say(f"{code} was taken {n} times")

    def refused(self):
        """A payment that was only ever refused, all its askers answered, has no hold."""
        asked = collections.defaultdict(list)
        for op in self.ops:
            if op.what == "permit":
                asked[op.payment].append(op)
        for payment, ops in asked.items():
            if all(op.result == REFUSED for op in ops) and any(e.payment == payment for e in self.permits):
                self.say(f"{payment} was refused by all who were asked, and has a hold")
        for op in self.ops:
            if op.what == "code" and op.result == REFUSED and op.code in self.used and \
                    all(o.result == REFUSED for o in self.asked[None, op.code]):
                self.say(f"refused by all, and used: {op}")

    # --- time

    def in_order_of_the_log(self):
        """Two acknowledgements, one ended before the other began: their events stand in that order."""
        done = []
        for op in self.told("permit", "capture", "release", "code"):
            event = self._event_of(op)
            if isinstance(event, Event):
                done.append((op, event))
        first = {}
        for op, event in done:                     # of one event, who was told first: later ones are answers again
            if event.revision not in first or op.ended < first[event.revision][0].ended:
                first[event.revision] = (op, event)
        made = sorted(first.values(), key=lambda pair: pair[0].begun)
        ended = sorted(first.values(), key=lambda pair: pair[0].ended)
        at, newest = 0, None
        for op, event in made:
            while at < len(ended) and ended[at][0].ended < op.begun:
                if newest is None or ended[at][1].revision > newest[1].revision:
                    newest = ended[at]
                at += 1
            if newest is not None and event.revision < newest[1].revision and not self._asked_before(op, newest[0]):
                self.say(f"revision {event.revision} was asked for after revision {newest[1].revision} was acknowledged: {op} after {newest[0]}")

    def _asked_before(self, op, other):
        """Whether an earlier call for the same thing, perhaps never answered, could have made it."""
        return any(o is not op and o.what == op.what and o.begun <= other.ended for o in self.asked[op.payment, op.code])

    def _register(self):
        by = collections.defaultdict(list)
        for op in self.ops:
            if op.payment and op.result == OK and op.state is not None:
                by[op.payment].append(op)
        return by

    def never_older(self):
        """A payment goes absent, open, captured or released: no answer that began after another ended is behind it."""
        for payment, ops in self._register().items():
            ended, at, newest = sorted(ops, key=lambda op: op.ended), 0, None
            for op in sorted(ops, key=lambda op: op.begun):
                while at < len(ended) and ended[at].ended < op.begun:
                    if newest is None or ORDER[ended[at].state] > ORDER[newest.state]:
                        newest = ended[at]
                    at += 1
                if newest is None:
                    continue
                if ORDER[op.state] < ORDER[newest.state]:
                    self.say(f"{payment} was {newest.state}, and later {op.state}: {op} after {newest}")
                elif ORDER[newest.state] == 2 and op.state != newest.state:
                    self.say(f"{payment} was {newest.state}, and later {op.state}: {op} after {newest}")

    def no_future(self):
        """What is answered was asked for by then."""
        causes = {"open": "permit", "captured": "capture", "released": "release"}
        for payment, ops in self._register().items():
            for op in ops:
                # One call may permit and capture at once: then it is its own cause.
                what = causes.get(op.state)
                if what and not any(o.begun <= op.ended and (o.what == what or (o.what == "permit" and o.at_once))
                                    for o in self.asked[payment, None]):
                    self.say(f"{payment} is {op.state} before anybody asked for it: {op}")
