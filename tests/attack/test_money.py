# SPDX-License-Identifier: Apache-2.0
"""Attacks on limits, holds and captures."""
import datetime

import pytest

from harness import VarlinkError

MINUTE, HOUR, DAY = 60_000, 3600_000, 24 * 3600_000
TEN = 10


def confirmed(person, session, amounts, **rest):
    """Payments that have their owner's yes, but were not asked again."""
    payments = []
    for amount in amounts:
        payment = person.payment(amount, **rest)
        answer = person.authorize(session, payment)
        if answer["outcome"] == "step_up":
            person.confirm(answer["challenge"]["id"])
        payments.append(payment)
    return payments


def to_midnight(broker, before_ms=10 * MINUTE):
    """Moves to so long before midnight (UTC is the configured zone)."""
    now = broker.clock.now_ms()
    to = (now // DAY + 1) * DAY - before_ms
    broker.clock.advance(to - now if to > now else to + DAY - now)


# --- M1 ---

def test_M1_fifty_at_once_against_a_budget_for_ten(broker, shop, person, log):
    """An allowance for ten payments, fifty connections: exactly ten, and not a cent more."""
    session = person.session()
    person.spend(session, "1.00")
    grant = shop.call("Allowances.Grant", session=session, kind="allowance", payee="m-7", currency="CNY",
                      per_payment="10.00", per_day="100.00", total="100.00",
                      expires_at=_in_days(broker, 5))
    person.confirm(grant["challenge"]["id"])
    clients = [broker.connect() for _ in range(50)]
    for client in clients:
        client.send("Payments.Authorize", session=session, payment=person.payment("10.00"))
    answers = [client.receive() for client in clients]
    permits = [a for a in answers if a["outcome"] == "permit"]
    assert len(permits) == TEN, [a["outcome"] for a in answers]
    assert all(a["reason"] == "allowance" for a in permits)
    assert len([e for e in log.events(person.account, "payment_permitted") if e["reason"] == "allowance"]) == TEN


def _in_days(broker, days):
    at = datetime.datetime.utcfromtimestamp(broker.clock.now_ms() // 1000) + datetime.timedelta(days=days)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_M1_two_at_once_against_room_for_one(broker, person, log):
    """Both have their owner's yes; the day's limit holds one of them."""
    session = person.session()
    person.spend(session, "1000.00")
    person.spend(session, "1000.00")
    payments = confirmed(person, session, ["600.00", "600.00"])
    clients = [broker.connect() for _ in payments]
    for client, payment in zip(clients, payments):
        client.send("Payments.Authorize", session=session, payment=payment)
    outcomes = [client.receive() for client in clients]
    assert sorted(o["outcome"] for o in outcomes) == ["deny", "permit"]
    assert next(o for o in outcomes if o["outcome"] == "deny")["reason"] == "limit_day"
    log.denied(person.account, "limit_day")


def test_M1_a_crash_between_hold_and_capture_gives_nothing_back(broker, person, log):
    session = person.session()
    for _ in range(3):
        permit = person.spend(session, "1000.00")
    broker.kill()
    broker.start()
    answer = person.authorize(session, person.payment("1.00"), service=broker.service)
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
    log.denied(person.account, "limit_day")
    captured = broker.service.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")
    assert captured["outcome"] == "permit"
    person.service = broker.service


# --- M2 ---

def test_M2_revoked_between_yes_and_spending(broker, shop, person, log):
    session = person.session()
    payment, = confirmed(person, session, ["20.00"])
    shop.call("Links.Suspend", link=person.link_id)
    answer = person.authorize(session, payment)
    # Suspending has ended the session too, which is asked about first.
    assert answer["outcome"] == "deny" and answer["reason"] in ("link_suspended", "session_invalid")
    log.denied(person.account, answer["reason"])


@pytest.mark.parametrize("scope, reason", [("link", "link_suspended"), ("account", "account_frozen"),
                                           ("provider", "provider_frozen"), ("broker", "broker_frozen")])
def test_M2_frozen_between_permit_and_capture(broker, shop, person, log, scope, reason):
    permit = person.spend(person.session(), "20.00")
    target = {"link": person.link_id, "account": person.account, "provider": "sandbox", "broker": None}[scope]
    broker.admin.call("Admin.Freeze", scope=scope, target=target, reason="under attack")
    try:
        answer = shop.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")
        assert answer["outcome"] == "deny", answer
        assert answer["reason"] in (reason, "link_frozen"), answer
        assert log.last(person.account, "denied")["reason"] == answer["reason"]
    finally:
        broker.admin.call("Admin.Thaw", scope=scope, target=target, reason="over")


def test_M2_revoked_between_permit_and_capture(shop, person, log):
    permit = person.spend(person.session(), "20.00")
    shop.call("Links.Remove", link=person.link_id)
    answer = shop.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")
    assert answer["outcome"] == "deny" and answer["reason"] in ("link_revoked", "hold_released"), answer
    assert log.events(person.account, "payment_captured") == []
    assert log.events(person.account, "link_revoked")


def test_M2_lowered_between_permit_and_capture(broker, shop, person, log):
    permit = person.spend(person.session(), "20.00")
    broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                      limits={"currency": "CNY", "per_payment": "5.00"})
    answer = shop.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_payment")
    log.denied(person.account, "limit_payment")


# --- M3 ---

AMOUNTS = ["0", "0.00", "-1", "-0", "+1", "1e400", "1e2", "1E2", "0x10", " 1", "1 ", "1.", ".5", "1.001", "1,00",
           "99999999999999999999", "9223372036854775808", "NaN", "Infinity", "1\u0660", "",
           "1.0.0", "00000000000000000001e0"]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_M3_no_amount_but_an_amount(shop, person, amount):
    session = person.session()
    error = shop.fails("Payments.Authorize", session=session, payment=person.payment(amount))
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "payment.amount")


@pytest.mark.parametrize("amount", [1, 20.0, -1, True, None, ["1"], {"a": 1}], ids=str)
def test_M3_an_amount_is_text(shop, person, amount):
    payment = person.payment()
    payment["amount"] = amount
    error = shop.fails("Payments.Authorize", session=person.session(), payment=payment)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "payment.amount")


def test_M3_fractions_of_a_currency_without_any(shop, person, log):
    error = shop.fails("Payments.Authorize", session=person.session(), payment=person.payment("1.5", currency="JPY"))
    assert error.parameters["field"] == "payment.amount"
    answer = person.authorize(person.session(), person.payment("1", currency="JPY"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_undefined")
    log.denied(person.account, "limit_undefined")


@pytest.mark.parametrize("amount", ["-5", "0", "20.01", "1e9", "1.001"])
def test_M3_no_more_is_captured_than_held(shop, person, log, amount):
    permit = person.spend(person.session(), "20.00")
    error = shop.fails("Payments.Capture", hold=permit["hold"]["id"], capture_id="c", amount=amount)
    assert error.name == "Conflict" if amount == "20.01" else error.parameters["field"] == "amount"
    assert log.events(person.account, "payment_captured") == []


def test_M3_a_hold_is_captured_once(shop, person, log):
    hold = person.spend(person.session(), "20.00")["hold"]["id"]
    assert shop.call("Payments.Capture", hold=hold, capture_id="c", amount="5.00")["hold"]["captured"] == "5.00"
    assert shop.call("Payments.Capture", hold=hold, capture_id="c", amount="5.00")["replayed"] is True
    with pytest.raises(VarlinkError) as refused:
        again = shop.call("Payments.Capture", hold=hold, capture_id="d", amount="5.00")
        assert again["outcome"] == "deny"
        raise VarlinkError("denied", {})
    assert refused.value.name in ("Conflict", "denied")
    assert len(log.events(person.account, "payment_captured")) == 1


def test_M3_refunds_are_at_most_what_was_captured(shop, person, log):
    payment = person.payment("20.00")
    session = person.session()
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    hold = person.authorize(session, payment)["hold"]["id"]
    error = shop.fails("Payments.Refund", account=person.account, payment=payment["id"], refund_id="r0", amount="1")
    assert error.name in ("Conflict", "InvalidParameter")
    shop.call("Payments.Capture", hold=hold, capture_id="c")
    refund = dict(account=person.account, payment=payment["id"])
    assert shop.call("Payments.Refund", refund_id="r1", amount="15.00", **refund)["hold"]["refunded"] == "15.00"
    assert shop.call("Payments.Refund", refund_id="r1", amount="15.00", **refund)["replayed"] is True
    for amount in ("5.01", "20.00", "-1", "0", "1e9"):
        error = shop.fails("Payments.Refund", refund_id="r2", amount=amount, **refund)
        assert error.name in ("InvalidParameter", "Conflict")
    assert len(log.events(person.account, "payment_refunded")) == 1


def test_M3_refunds_and_releases_give_no_limit_twice(shop, person, log):
    """A refund gives none back; a release gives it once, and never after a capture."""
    session = person.session()
    holds = [person.spend(session, "1000.00")["hold"]["id"] for _ in range(3)]
    shop.call("Payments.Capture", hold=holds[0], capture_id="c")
    shop.call("Payments.Refund", account=person.account, payment="order-1", refund_id="r", amount="1000.00")
    answer = person.authorize(session, person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
    log.denied(person.account, "limit_day")
    assert shop.fails("Payments.Release", hold=holds[0]).name == "Conflict"
    for _ in range(3):
        shop.call("Payments.Release", hold=holds[1])
    person.spend(session, "1000.00")
    assert person.authorize(session, person.payment("1.00"))["reason"] == "limit_day"
    assert len(log.events(person.account, "payment_released")) == 1


# --- M4 ---

def test_M4_declined_payments_are_not_counted(shop, person, log):
    """EBA Q&A 2018_4225: what was refused was not spent. Nor does trying wear out the owner's limits."""
    session = person.session()
    for _ in range(30):
        answer = person.authorize(session, person.payment("1000.01"))
        assert (answer["outcome"], answer["reason"]) == ("deny", "limit_payment")
    assert log.reasons(person.account)[-30:] == ["limit_payment"] * 30
    for _ in range(3):
        person.spend(session, "1000.00")


def test_M4_a_step_up_for_something_else_resets_nothing(person, log):
    session = person.session()
    for _ in range(3):
        person.spend(session, "1000.00")
    person.link(subject="second-" + person.subject)
    answer = person.authorize(person.session(), person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
    log.denied(person.account, "limit_day")


# --- M5 ---

def test_M5_a_day_ends_at_midnight_of_the_configured_zone(broker, person, log):
    to_midnight(broker, 20 * MINUTE)
    session = person.session()
    for _ in range(3):
        person.spend(session, "1000.00")
    assert person.authorize(session, person.payment("1.00"))["reason"] == "limit_day"
    log.denied(person.account, "limit_day")
    now = broker.clock.now_ms()
    broker.clock.advance((now // DAY + 1) * DAY - now - 5000)
    session = person.session()
    assert person.authorize(session, person.payment("1.00"))["reason"] == "limit_day"
    broker.clock.advance(6000)
    person.spend(session, "1000.00")


def test_M5_a_month_is_a_month(broker, person, log):
    """20000 a month: a new day is not a new month; the first of the next one is."""
    now = datetime.datetime.utcfromtimestamp(broker.clock.now_ms() / 1000)
    first = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=32)).replace(day=1)
    broker.clock.advance(int((first - now).total_seconds() * 1000) + HOUR)
    for day in range(6):
        session = person.session()
        for _ in range(3):
            person.spend(session, "1000.00", capture=True)
        broker.clock.advance(DAY)
    session = person.session()
    for _ in range(2):
        person.spend(session, "1000.00", capture=True)
    answer = person.authorize(session, person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_month")
    log.denied(person.account, "limit_month")
    now = datetime.datetime.utcfromtimestamp(broker.clock.now_ms() / 1000)
    last = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=32)).replace(day=1)
    broker.clock.advance(int((last - now).total_seconds() * 1000) - 5000)
    assert person.authorize(person.session(), person.payment("1.00"))["reason"] == "limit_month"
    broker.clock.advance(6000)
    person.spend(person.session(), "1.00")


# --- M6 ---

def test_M6_one_id_raced_with_many_amounts_is_one_payment(broker, person, log):
    """All have the same id, each another amount, some the owner's yes: one hold, of the amount that was shown."""
    session = person.session()
    payment, = confirmed(person, session, ["20.00"])
    amounts = ["20.00", "21.00", "200.00", "1.00"] * 6
    clients = [broker.connect() for _ in amounts]
    for client, amount in zip(clients, amounts):
        client.send("Payments.Authorize", session=session, payment={**payment, "amount": amount})
    answers = [(amount, client.receive()) for amount, client in zip(amounts, clients)]
    holds = {a["hold"]["id"] for _, a in answers if a["outcome"] == "permit"}
    assert len(holds) == 1
    for amount, answer in answers:
        if amount == "20.00":
            assert answer["outcome"] == "permit"
        else:
            assert (answer["outcome"], answer["reason"]) in (("deny", "payment_mismatch"), ("step_up",
                                                             "countersignature_required")), (amount, answer)
    assert len(log.events(person.account, "payment_permitted")) == 1
    log.denied(person.account, "payment_mismatch")


# --- M7 ---

@pytest.fixture
def allowed(broker, shop, person):
    """An open allowance for payee m-7, in a session that was countersigned."""
    session = person.session()
    person.spend(session, "1.00")
    grant = shop.call("Allowances.Grant", session=session, kind="allowance", payee="m-7", currency="CNY",
                      per_payment="50.00", per_day="100.00", total="200.00", expires_at=_in_days(broker, 5))
    person.confirm(grant["challenge"]["id"])
    answer = person.authorize(session, person.payment("5.00"))
    assert (answer["outcome"], answer["reason"]) == ("permit", "allowance")
    return session


def test_M7_a_stolen_id_in_a_session_of_its_own_finds_it_shut(allowed, person, log):
    stolen = person.session()
    answer = person.authorize(stolen, person.payment("5.00"))
    assert (answer["outcome"], answer["reason"]) == ("step_up", "new_session")
    assert log.last(person.account, "challenge_opened")["reason"] == "new_session"


@pytest.mark.parametrize("change", [{"payee": "m-8"}, {"payee": "*"}, {"amount": "50.01"}], ids=str)
def test_M7_at_another_payee_or_for_more_it_covers_nothing(allowed, person, log, change):
    answer = person.authorize(allowed, person.payment(**{"amount": "5.00", **change}))
    assert (answer["outcome"], "hold" in answer) == ("step_up", False)
    assert log.events(person.account, "payment_permitted") == []


def test_M7_it_drains_to_its_total_and_no_further(broker, allowed, person, log):
    for _ in range(19):
        answer = person.authorize(allowed, person.payment("5.00"))
        assert answer["outcome"] == "permit"
    answer = person.authorize(allowed, person.payment("5.00"))
    assert answer["outcome"] == "step_up"


def test_M7_another_services_session_finds_none(broker, allowed, market, person):
    begun = market.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token(person.subject, begun["nonce"], aud="another-app")
    session = market.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["session"]
    person.spend(session, "1.00", service=market)
    assert person.authorize(session, person.payment("5.00"), service=market)["outcome"] == "step_up"


# --- M8 ---

def test_M8_a_receipt_is_no_hold(shop, person, log):
    permit = person.spend(person.session(), "20.00", receipt=True)
    for wrong in (permit["receipt"], permit["receipt"].split(".")[1][:40]):
        error = shop.fails("Payments.Capture", hold=wrong, capture_id="c")
        assert error.name in ("NotFound", "InvalidParameter")
    assert log.events(person.account, "payment_captured") == []


def test_M8_a_hold_of_another_service(market, person, log):
    permit = person.spend(person.session(), "20.00")
    error = market.fails("Payments.Capture", hold=permit["hold"]["id"], capture_id="c")
    assert (error.name, error.parameters) == ("NotFound", {"what": "hold"})
    log.strangers("market", "hold")
    assert log.events(person.account, "payment_captured") == []


def test_M8_a_receipt_says_for_whom_it_is(person):
    import base64
    import json
    receipt = person.spend(person.session(), "20.00", receipt=True)["receipt"]
    head, body = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
                  for part in receipt.split(".")[:2])
    assert head["typ"] == "countersign-receipt+jwt" and body["aud"] == "checkout"
    assert person.subject not in str(body) and person.account not in str(body)


# --- M9 ---

def test_M9_a_clock_that_jumps_decides_nothing(broker, person, log):
    """Forward by a day to empty the counters: refused while wall and boot clock disagree."""
    session = person.session()
    for _ in range(3):
        person.spend(session, "1000.00")
    wall, boot = broker.clock._offsets()
    try:
        broker.clock.set(wall + DAY, boot)
        answer = person.authorize(session, person.payment("1.00"))
        assert (answer["outcome"], answer["reason"]) == ("deny", "clock"), answer
        log.denied(person.account, "clock")
    finally:
        broker.clock.set(wall, boot)
    answer = person.authorize(session, person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")


def test_M9_forward_and_back_over_a_restart_gives_nothing(broker, person, log):
    """The clocks agree again after a restart: then the account's own time is what does not go back."""
    session = person.session()
    for _ in range(3):
        person.spend(session, "1000.00")
    wall, boot = broker.clock._offsets()
    broker.halt()
    broker.clock.set(wall - 2 * DAY, boot)
    try:
        broker.start()
        person.service = broker.service
        answer = person.authorize(session, person.payment("1.00"))
        assert answer["outcome"] == "deny", answer
    finally:
        broker.halt()
        broker.clock.set(wall, boot)
        broker.start()
    person.service = broker.service
    answer = person.authorize(session, person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
    log.denied(person.account, "limit_day")
