# SPDX-License-Identifier: Apache-2.0
"""The checker finds each kind of wrong by itself: histories and logs made by hand, one lie in each."""
import hashlib

import pytest

from checker import OK, REFUSED, UNKNOWN, Book, Event, Op, check

A = "account-1"


def permit(begun, ended, payment="p", hold="h", amount=100, result=OK, state="open", **rest):
    return Op("permit", A, begun, ended, result, payment, hold, amount, state if result == OK else None, **rest)


def capture(begun, ended, payment="p", hold="h", captured=40, result=OK):
    return Op("capture", A, begun, ended, result, payment, hold, state="captured" if result == OK else None, captured=captured)


def release(begun, ended, payment="p", hold="h", result=OK):
    return Op("release", A, begun, ended, result, payment, hold, state="released" if result == OK else None)


def get(begun, ended, state, payment="p", hold="h"):
    return Op("get", A, begun, ended, OK, payment, None if state == "absent" else hold, state=state)


def code(begun, ended, step=7, result=OK, kind="totp"):
    return Op("code", A, begun, ended, result, code=(kind, step))


def permitted(revision, payment="p", hold="h", amount=100, **rest):
    return Event("payment_permitted", revision, payment, hold, amount, day=1, **rest)


def captured(revision, hold="h", cents=40):
    return Event("payment_captured", revision, hold=hold, captured=cents)


def released(revision, hold="h"):
    return Event("payment_released", revision, hold=hold)


def refunded(revision, hold="h", cents=30):
    return Event("payment_refunded", revision, hold=hold, refunded=cents)


def proved(revision, step=7, kind="totp"):
    return Event("challenge_answered", revision, code=(kind, step))


GOOD = {
    "nothing": ([], []),
    "a payment": ([permit(0, 1), capture(2, 3), get(4, 5, "captured")], [permitted(1), captured(2)]),
    "asked again": ([permit(0, 1), permit(2, 3), capture(4, 5), permit(6, 7, state="captured")], [permitted(1), captured(2)]),
    "never answered, and done": ([permit(0, None, result=UNKNOWN)], [permitted(1)]),
    "never answered, and not done": ([permit(0, None, result=UNKNOWN)], []),
    "never answered, done, and asked again later": (
        [permit(0, None, result=UNKNOWN), permit(1, 2, "q", "i"), permit(3, 4)], [permitted(1), permitted(2, "q", "i")]),
    "two at once, in either order": ([permit(0, 5), permit(1, 4, "q", "i")], [permitted(1, "q", "i"), permitted(2)]),
    "read during a capture": ([permit(0, 1), capture(2, 6), get(3, 4, "captured"), get(5, 7, "captured")], [permitted(1), captured(2)]),
    "one of two codes at once": ([code(0, 2), code(0, 2, result=REFUSED)], [proved(1)]),
    "released makes room": ([permit(0, 1, amount=300), release(2, 3), permit(4, 5, "q", "i", 300)],
                            [permitted(1, amount=300), released(2), permitted(3, "q", "i", 300)]),
    "permitted and captured at once": ([permit(0, 1, state="captured", at_once=True)], [permitted(1, captured=100), refunded(2)]),
    "never answered, permitted and captured at once": (
        [permit(0, None, result=UNKNOWN, at_once=True, why="Unavailable"), get(1, 2, "captured")], [permitted(1, captured=100)]),
    "one amount of two": ([permit(0, 3), permit(1, 4, amount=200, result=REFUSED)], [permitted(1)]),
}

BAD = {
    "an acknowledged permit is gone": ([permit(0, 1)], [], "acknowledged, but it is not in the log"),
    "an acknowledged capture is gone": ([permit(0, 1), capture(2, 3)], [permitted(1)], "acknowledged, but it is not in the log"),
    "an acknowledged release is gone": ([permit(0, 1), release(2, 3)], [permitted(1)], "acknowledged, but it is not in the log"),
    "an acknowledged code is gone": ([code(0, 1)], [], "acknowledged, but it is not in the log"),
    "captured with another amount": ([permit(0, 1), capture(2, 3)], [permitted(1), captured(2, cents=50)], "40 was acknowledged"),
    "permitted with another amount": ([permit(0, 1)], [permitted(1, amount=200)], "permitted for p of 200"),
    "two holds of one payment": ([permit(0, 1)], [permitted(1), permitted(2, hold="i")], "p has 2 holds"),
    "two holds were answered": ([permit(0, 1), permit(2, 3, hold="i")], [permitted(1), permitted(2, "q", "i")], "answered with 2 holds"),
    "captured twice": ([], [permitted(1), captured(2), captured(3)], "h has 2 ends"),
    "captured at once and again": ([], [permitted(1, captured=100), captured(2)], "h has 2 ends"),
    "captured and released": ([], [permitted(1), captured(2), released(3)], "h has 2 ends"),
    "captured without a permit": ([], [captured(1)], "never permitted"),
    "captured before its permit": ([], [captured(1), permitted(2)], "before it was permitted"),
    "captured with more": ([], [permitted(1), captured(2, cents=101)], "captured with 101 of 100"),
    "refunded with more": ([], [permitted(1), captured(2), refunded(3), refunded(4)], "60 of h were refunded"),
    "a day overspent": ([], [permitted(1, amount=200), permitted(2, "q", "i", 200)], "overspends the day: 400 of 300"),
    "overspent for a moment": ([], [permitted(1, amount=200), permitted(2, "q", "i", 200), released(3)], "overspends the day"),
    "an allowance overspent": ([], [permitted(1, amount=150, allowance="w"), permitted(2, "q", "i", 150, allowance="w")],
                               "overspends the allowance"),
    "a step used twice": ([], [proved(1), proved(2)], "('totp', 7) has 2 uses"),
    "a step after a later one": ([], [proved(1, 8), proved(2, 7)], "step 7 was taken after step 8"),
    "a printed code used twice": ([], [proved(1, 3, "recovery"), proved(2, 3, "recovery")], "has 2 uses"),
    "a code answered twice": ([code(0, 1), code(2, 3)], [proved(1)], "was taken 2 times"),
    "refused, and done": ([permit(0, 1, result=REFUSED)], [permitted(1)], "refused by all"),
    "a code refused, and used": ([code(0, 1, result=REFUSED)], [proved(1)], "refused by all, and used"),
    "the log in another order than the answers": ([permit(0, 1), permit(2, 3, "q", "i")], [permitted(1, "q", "i"), permitted(2)],
                                                  "was asked for after revision 2 was acknowledged"),
    "a capture is forgotten": ([permit(0, 1), capture(2, 3), get(4, 5, "open")], [permitted(1), captured(2)], "was captured, and later open"),
    "a permit is forgotten": ([permit(0, 1), get(2, 3, "absent")], [permitted(1)], "was open, and later absent"),
    "a release becomes a capture": ([permit(0, 1), release(2, 3), get(4, 5, "captured"), capture(6, None, result=UNKNOWN)],
                                    [permitted(1), released(2)], "was released, and later captured"),
    "one reader before another": ([permit(0, 1), capture(2, 20), get(3, 4, "captured"), get(5, 6, "open")], [permitted(1), captured(2)],
                                  "was captured, and later open"),
    "an answer from the future": ([permit(0, 1), get(2, 3, "captured"), capture(4, 5)], [permitted(1), captured(2)],
                                  "captured before anybody asked"),
    "a gap": ([], [permitted(1), permitted(3, "q", "i")], "revision 2 is missing"),
    "an event again": ([], [permitted(1), permitted(1, "q", "i")], "revision 2 is missing"),
}


def book(events):
    return {A: Book(events, day_limit=300, allowance_limit=250)}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_where_nothing_is_wrong(name):
    history, events = GOOD[name]
    assert check(history, book(events)) == []


@pytest.mark.parametrize("name", BAD)
def test_it_is_found(name):
    history, events, words = BAD[name]
    wrong = check(history, book(events))
    assert any(words in text for text in wrong), wrong


def chain(texts):
    events, prev = [], "0" * 64
    for n, text in enumerate(texts, 1):
        events.append(Event("denied", n, prev=prev, bytes=text))
        prev = hashlib.sha256(text).hexdigest()
    return events


def test_a_chain_that_is_whole():
    assert check([], book(chain([b"a", b"b", b"c"]))) == []


def test_a_chain_in_which_an_event_was_changed():
    events = chain([b"a", b"b", b"c"])
    events[1].bytes = b"x"
    assert any("event 3 names another" in text for text in check([], book(events)))


def test_an_account_without_a_book():
    assert check([permit(0, 1)], {}) != []
