# SPDX-License-Identifier: Apache-2.0
"""The rules of stacks, as payments meet them: each on this side of its bound and on the other."""
import datetime
import os

import pytest

from harness import VarlinkError

DAY, HOUR, MINUTE = 86400_000, 3600_000, 60_000
ZONE = "Europe/Berlin"
COMMON = """link    required    stepup
factor  required    stepup
grant   required    stepup
limit   required    stepup
thaw    required    stepup
view    required    stepup
"""
BROKER = {
    "limit_cooling_off": "24h",
    "stack": COMMON + "spend required stepup\n",
    "policy_limits": "per-payment 100000 per-day 1000000",
    "extra": f'timezone "{ZONE}"\npolicy-limits USD {{ per-payment 1000 }}\n',
}

if not os.path.exists(f"/usr/share/zoneinfo/{ZONE}"):
    pytest.skip("install tzdata", allow_module_level=True)


@pytest.fixture
def stack(broker):
    """Installs these lines for `spend`."""
    def install(*lines, operation="spend"):
        others = [line for line in COMMON.splitlines() if line.split()[0] != operation]
        with open(broker.path("services/checkout"), "w", encoding="utf-8") as f:
            f.write("\n".join([*others, *(f"{operation} {line}" for line in lines), ""]))
            if operation != "spend":
                f.write("spend required stepup\n")
        broker.admin.call("Admin.Reload")
    return install


def pay(person, session, amount, **payment):
    """What comes of it, with the owner's confirmation where one is asked for."""
    what = person.payment(amount, **payment)
    answer = person.authorize(session, what)
    if answer["outcome"] == "step_up":
        person.confirm(answer["challenge"]["id"])
        answer = person.authorize(session, what)
    return answer["reason"]


def allow(person, session):
    until = datetime.datetime.utcfromtimestamp(person.broker.clock.now_ms() // 1000 + 30 * 86400)
    asked = person.service.call("Allowances.Grant", session=session, kind="allowance", payee="*", currency="CNY",
                                per_payment="1000", per_day="5000", total="50000",
                                expires_at=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    person.confirm(asked["challenge"]["id"])


@pytest.mark.parametrize("bound,reason,wait", [
    ("per-24h=100CNY", "limit_24h", 25 * HOUR), ("per-year=100CNY", "limit_year", 366 * DAY),
    ("in-all=100CNY for=link", "limit_total", None), ("per-day=100CNY for=payee", "limit_day", DAY),
    ("count-24h=1", "limit_24h", 25 * HOUR)])
def test_limits_hold_up_to_their_bound(broker, person, stack, bound, reason, wait):
    stack(f"requisite limit {bound}", "required stepup")
    session = person.session()
    captured = person.authorize(session, person.payment("100.00"))
    assert captured["outcome"] == "step_up"
    assert pay(person, session, "100.00") == "countersigned"
    assert pay(person, session, "0.01") == reason
    if wait is not None:
        broker.clock.advance(wait)
        assert pay(person, person.session(), "0.01") == "countersigned"


def test_a_denial_says_where_the_counter_stood(person, stack):
    stack("requisite limit per-24h=100CNY", "required stepup")
    session = person.session()
    assert pay(person, session, "60.00") == "countersigned"
    answer = person.authorize(session, person.payment("40.01"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_24h")
    assert (answer["detail"]["limit"], answer["detail"]["used"]) == ("100.00 CNY", "60.00 CNY")


def test_a_currency_that_a_line_does_not_name_is_denied(person, stack):
    stack("requisite limit per-day=100CNY", "required stepup")
    session = person.session()
    assert pay(person, session, "1.00", currency="USD") == "limit_undefined"
    stack("requisite limit per-day=100CNY other=ignore", "required stepup")
    assert pay(person, session, "1.00", currency="USD") == "countersigned"
    stack("requisite limit per-day=100CNY,5USD", "required stepup")
    assert pay(person, session, "4.01", currency="USD") == "limit_day"


def test_released_payments_give_their_room_back(person, stack):
    stack("requisite limit in-all=100CNY", "required stepup")
    session = person.session()
    hold = person.spend(session, "100.00")["hold"]["id"]
    assert pay(person, session, "0.01") == "limit_total"
    person.service.call("Payments.Release", hold=hold)
    assert pay(person, session, "100.00") == "countersigned"


def test_a_new_payee_has_a_limit_of_its_own(person, stack):
    stack("requisite limit first-use=10CNY", "required stepup")
    session = person.session()
    assert pay(person, session, "10.01", payee="m-1") == "limit_first_use"
    assert pay(person, session, "10.00", payee="m-1") == "countersigned"
    assert pay(person, session, "500.00", payee="m-1") == "countersigned"
    assert pay(person, session, "500.00", payee="m-2") == "limit_first_use"


def test_what_was_spent_since_the_last_step_up_is_bounded(person, stack):
    stack("[success=ignore exceeded=1 default=die] limit per-stepup=100CNY count-stepup=3",
          "sufficient allowance note=sca-exempt-low-value", "required stepup")
    session = person.session()
    allow(person, session)
    assert [pay(person, session, amount) for amount in ("60.00", "40.00", "0.01")] == [
        "allowance", "allowance", "countersigned"]
    assert [pay(person, session, "1.00") for _ in range(4)] == ["allowance"] * 3 + ["countersigned"]


def test_payees_are_listed(person, stack):
    stack("requisite payee id=m-7,m-8", "required stepup")
    session = person.session()
    assert pay(person, session, "1.00", payee="m-8") == "countersigned"
    assert pay(person, session, "1.00", payee="m-9") == "payee_not_listed"


def test_payees_are_known_once_they_were_paid(person, stack):
    stack("[success=done denied=ignore default=die] payee known", "required stepup")
    session = person.session()
    pay(person, session, "1.00", payee="m-1")
    stack("requisite payee known", "required stepup")
    assert pay(person, session, "1.00", payee="m-1") == "countersigned"
    assert pay(person, session, "1.00", payee="m-2") == "payee_not_listed"


def test_a_drain_is_stopped_at_the_third_payment(broker, person, stack):
    stack("requisite drain", "sufficient allowance", "required stepup")
    session = person.session()
    allow(person, session)
    assert [pay(person, session, "900.00") for _ in range(3)] == ["allowance", "allowance", "drain_suspected"]
    broker.clock.advance(5 * MINUTE)
    assert pay(person, session, "1.00") == "allowance"


def test_services_are_named(person, stack):
    stack("requisite service market", "required stepup")
    assert pay(person, person.session(), "1.00") == "service_not_listed"
    stack("requisite service market checkout", "required stepup")
    assert pay(person, person.session(), "1.00") == "countersigned"


def local(broker):
    import zoneinfo
    return datetime.datetime.fromtimestamp(broker.clock.now_ms() / 1000, zoneinfo.ZoneInfo(ZONE))


def test_hours_are_those_of_the_zone(broker, person, stack):
    def hour(plus):
        return (local(broker) + datetime.timedelta(hours=plus)).strftime("%H:00")
    stack(f"requisite time from={hour(2)} to={hour(4)}", "required stepup")
    assert pay(person, person.session(), "1.00") == "outside_hours"
    stack(f"requisite time from={hour(-2)} to={hour(4)}", "required stepup")
    assert pay(person, person.session(), "1.00") == "countersigned"


def test_M5_a_day_begins_at_midnight_of_the_zone(broker, person, stack):
    stack("requisite limit per-day=100CNY", "required stepup")
    now = local(broker)
    before = now.replace(hour=23, minute=58, second=0) + datetime.timedelta(days=1)
    broker.clock.advance(int((before - now).total_seconds() * 1000))
    session = person.session()
    assert pay(person, session, "100.00") == "countersigned"
    assert pay(person, session, "0.01") == "limit_day"
    broker.clock.advance(3 * MINUTE)
    assert pay(person, session, "100.00") == "countersigned"


@pytest.mark.parametrize("line,reason", [
    ("age=3650d", "account_too_new"), ("link-age=1h", "account_too_new"), ("factors=2", "account_factors"),
    ("holds=webauthn", "account_factors"), ("factors=1 holds=totp", "countersigned")])
def test_accounts_have_an_age_and_factors(person, stack, line, reason):
    stack(f"requisite account {line}", "required stepup")
    assert pay(person, person.session(), "1.00") == reason


def test_a_session_may_have_to_be_countersigned(broker, person, stack):
    stack("requisite session countersigned", "sufficient allowance", "required stepup")
    session = person.session()
    allow(person, session)
    assert pay(person, session, "1.00") == "allowance"
    stolen = person.session()
    assert person.authorize(stolen, person.payment("1.00"))["outcome"] == "step_up"


def test_S4_two_factors_are_two_different_ones(person, stack):
    first = person.totp
    asked = person.service.call("Factors.Begin", account=person.account, kind="totp", label="tablet")
    person.confirm(asked["challenge"]["id"])
    second = person.enrol(asked["challenge"]["id"])
    stack("required stepup factors=2")
    session, payment = person.session(), person.payment("1.00")
    challenge = person.authorize(session, payment)["challenge"]["id"]

    def answers(*totps):
        return [{"step": totp.id, "value": totp.code()} for totp in totps]
    for once_more in (answers(first), answers(first, first)):
        assert person.service.fails("StepUp.Respond", challenge=challenge, answers=once_more).name == "InvalidParameter"
    assert person.authorize(session, payment)["outcome"] == "step_up"
    given = answers(first, second)
    assert person.service.call("StepUp.Respond", challenge=challenge, answers=given)["state"] == "done"
    assert person.authorize(session, payment)["outcome"] == "permit"
    stack("required stepup categories=2")
    assert person.authorize(session, person.payment("2.00"))["outcome"] == "deny", "both are possession"
    assert second.id != first.id


def test_notes_stand_in_the_event(broker, person, stack):
    stack("required stepup note=liability-institution")
    assert pay(person, person.session(), "1.00") == "countersigned"
    events = broker.admin.call("Admin.Events", account=person.account)["events"]
    permitted = [e for e in events if e["type"] == "payment_permitted"]
    assert [e["json"]["notes"] for e in permitted] == [["liability-institution"]]


@pytest.mark.parametrize("line,mend", [
    ("requisite limit per-day=100", "200CNY"), ("requisite risk scores", "risk block"),
    ("requisite drain count=1", "2 to 16"), ("requisite time from=8:00 to=20:00", "two digits"),
    ("requisite stepup max-age=6m", "at most 5m"), ("requisite debug result=success", "stack run"),
    ("requisite account", "at least one of"), ("requisite payee", "known")])
def test_a_wrong_line_is_refused_and_the_old_policy_stays(broker, person, stack, line, mend):
    stack("required stepup")
    with pytest.raises(VarlinkError) as refused:
        stack(line, "required stepup")
    assert mend in str(refused.value), refused.value
    assert pay(person, person.session(), "1.00") == "countersigned"
    stack("required stepup")


# --- raising a limit ---

def limits(person, **what):
    return person.service.call("Limits.Set", account=person.account, limits={"currency": "CNY", **what})


def listed(person):
    return [l for l in person.service.call("Limits.Get", account=person.account)["limits"] if l["currency"] == "CNY"]


def raised(person, amount):
    asked = limits(person, per_payment=amount)
    assert asked["outcome"] == "step_up", asked
    person.confirm(asked["challenge"]["id"])
    answer = person.service.call("Limits.Set", account=person.account, limits={"currency": "CNY", "per_payment": amount},
                                 challenge=asked["challenge"]["id"])
    assert answer["reason"] == "countersigned", answer


def test_a_raise_waits_and_the_smaller_limit_binds(broker, person, stack):
    stack("required stepup")
    limits(person, per_payment="50")
    raised(person, "500")
    now, waiting = listed(person)
    assert (now["per_payment"], waiting["per_payment"]) == ("50.00", "500.00") and "effective_at" in waiting
    assert pay(person, person.session(), "50.01") == "limit_payment"
    broker.clock.advance(DAY - MINUTE)
    assert pay(person, person.session(), "50.01") == "limit_payment"
    broker.clock.advance(MINUTE)
    assert [l["per_payment"] for l in listed(person)] == ["500.00"]
    assert pay(person, person.session(), "500.00") == "countersigned"
    assert pay(person, person.session(), "500.01") == "limit_payment"


def test_lowering_takes_a_waiting_raise_back(broker, person, stack):
    stack("required stepup")
    limits(person, per_payment="50")
    raised(person, "500")
    assert limits(person, per_payment="40")["reason"] == "narrows"
    broker.clock.advance(2 * DAY)
    assert [l["per_payment"] for l in listed(person)] == ["40.00"]
    assert pay(person, person.session(), "40.01") == "limit_payment"


def test_another_raise_waits_anew(broker, person, stack):
    stack("required stepup")
    limits(person, per_payment="50")
    raised(person, "500")
    broker.clock.advance(DAY // 2)
    raised(person, "400")
    broker.clock.advance(DAY // 2)
    assert pay(person, person.session(), "50.01") == "limit_payment"
