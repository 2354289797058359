# SPDX-License-Identifier: Apache-2.0
"""Payments: authorise, capture, release, refund, ask again; each of them once, and no limit passed."""
import itertools
import json

import pytest
from jwcrypto import jwk, jws

DAY = 24 * 3600_000


@pytest.fixture
def session(person):
    return person.session()


def hold_of(person, session, amount="20.00", **rest):
    return person.spend(session, amount, **rest)["hold"]


def ask_again(person, session, **rest):
    """A countersigned payment, and the arguments to ask for it again."""
    payment = person.payment()
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    return payment, person.authorize(session, payment, **rest)


def claims_of(broker, receipt):
    """What an independent JOSE tool reads, with the keys that the broker publishes."""
    _, _, body = broker.web("GET", "/.well-known/jwks.json", certificate=None)
    keys = jwk.JWKSet.from_json(body.decode())
    token = jws.JWS()
    token.deserialize(receipt)
    kid = json.loads(token.objects["protected"])["kid"]
    token.verify(keys.get_key(kid), alg="ES256")
    return json.loads(token.payload), json.loads(token.objects["protected"])


# --- authorise -----------------------------------------------------------------------------------------------------

def test_a_confirmed_payment_is_permitted_with_a_hold(person, session):
    permit = person.spend(session)
    hold = permit["hold"]
    assert permit["reason"] == "countersigned"
    assert (hold["state"], hold["amount"], hold["currency"]) == ("open", "20.00", "CNY")
    assert hold["id"].startswith("hold_") and "captured" not in hold and "refunded" not in hold


def test_the_same_payment_again_is_the_same_permit(person, session):
    payment, first = ask_again(person, session)
    second = person.authorize(session, payment)
    assert second["outcome"] == "permit" and second["replayed"] is True
    assert second["hold"] == first["hold"] and "replayed" not in first


@pytest.mark.parametrize("change", [
    {"amount": "20.01"}, {"amount": "19.99"}, {"currency": "USD"}, {"payee": {"id": "m-8", "name": "Corner Shop"}},
    {"payee": {"id": "m-7", "name": "Corner Shop Ltd"}}])
def test_the_same_id_for_another_payment_is_denied(person, session, change):
    payment, first = ask_again(person, session)
    answer = person.authorize(session, {**payment, **change})
    assert (answer["outcome"], answer["reason"]) == ("deny", "payment_mismatch")
    assert person.service.call("Payments.Get", account=person.account, payment=payment["id"])["hold"] == first["hold"]


def test_a_session_asks_twice_and_has_one_challenge(person, session):
    payment = person.payment()
    first, second = person.authorize(session, payment), person.authorize(session, payment)
    assert first["outcome"] == second["outcome"] == "step_up"
    assert first["challenge"]["id"] == second["challenge"]["id"]


def test_capture_at_once(person, session):
    payment, permit = ask_again(person, session, capture=True)
    assert (permit["hold"]["state"], permit["hold"]["captured"]) == ("captured", "20.00")
    assert person.service.call("Payments.Get", account=person.account, payment=payment["id"])["hold"] == permit["hold"]


def test_evaluating_changes_nothing(broker, person, session):
    payment = person.payment()
    events = broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"]
    for _ in range(3):
        answer = person.service.call("Payments.Evaluate", session=session, payment=payment)
        assert answer["outcome"] == "step_up" and answer["factors"] == ["totp"]
        assert "hold" not in answer and "challenge" not in answer
    assert broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"] == events
    assert person.service.fails("Payments.Get", account=person.account, payment=payment["id"]).name == "NotFound"


def test_evaluating_never_says_permit_without_a_countersignature(person, session):
    payment, _ = ask_again(person, session)
    other = {**payment, "id": payment["id"] + "-other"}
    assert person.service.call("Payments.Evaluate", session=session, payment=other)["outcome"] == "step_up"


def test_a_countersignature_is_for_one_payment(person, session):
    payment = person.payment()
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    other = {**payment, "id": payment["id"] + "-other"}
    assert person.authorize(session, other)["outcome"] == "step_up"


def test_explanations_are_the_trace(person, session):
    answer = person.authorize(session, person.payment(), explain=True)
    assert answer["explain"] and all({"rule", "result", "why"} <= set(step) for step in answer["explain"])
    rules = [step["rule"] for step in answer["explain"]]
    assert rules[:3] == ["rule 1 service", "rule 2 account", "rule 3 provider"]
    assert any(rule.startswith("checkout:") and rule.endswith(" stepup any=totp") for rule in rules)
    assert rules[-1].startswith("rule 10 ") and answer["explain"][-1]["why"] == "countersignature_required"


# --- receipts ------------------------------------------------------------------------------------------------------

def test_a_receipt_is_verified_by_an_independent_tool(broker, person, session):
    payment, permit = ask_again(person, session)
    claims, head = claims_of(broker, permit["receipt"])
    assert head["alg"] == "ES256" and head["typ"] == "countersign-receipt+jwt"
    assert (claims["iss"], claims["aud"], claims["jti"]) == (broker.url, "checkout", permit["hold"]["id"])
    assert (claims["payment"], claims["payee"]) == (payment["id"], "m-7")
    assert (claims["amount_minor"], claims["currency"], claims["exponent"]) == (2000, "CNY", 2)
    assert (claims["basis"], claims["factors"]) == ("countersignature", ["totp"])
    assert claims["iat"] <= broker.clock.now_ms() // 1000 < claims["exp"]


def test_a_changed_receipt_is_refused(broker, person, session):
    _, permit = ask_again(person, session)
    head, body, signature = permit["receipt"].split(".")
    at = len(body) // 2
    forged = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1:]
    with pytest.raises(jws.InvalidJWSSignature):
        claims_of(broker, ".".join((head, forged, signature)))


def test_a_receipt_does_not_name_the_account(broker, person, session):
    _, permit = ask_again(person, session)
    claims, _ = claims_of(broker, permit["receipt"])
    assert person.account not in json.dumps(claims) and person.subject not in json.dumps(claims)


def test_a_replay_has_a_receipt_when_it_is_asked_for(broker, person, session):
    payment, permit = ask_again(person, session)
    assert "receipt" not in person.authorize(session, payment)
    again = claims_of(broker, person.authorize(session, payment, receipt=True)["receipt"])[0]
    assert again == claims_of(broker, permit["receipt"])[0]


# --- capture, release, refund --------------------------------------------------------------------------------------

def test_capture_all_and_again(person, session):
    hold = hold_of(person, session)
    first = person.service.call("Payments.Capture", hold=hold["id"], capture_id="c1")
    assert (first["outcome"], first["hold"]["state"], first["hold"]["captured"]) == ("permit", "captured", "20.00")
    second = person.service.call("Payments.Capture", hold=hold["id"], capture_id="c1")
    assert second["replayed"] is True and second["hold"] == first["hold"]


def test_another_capture_of_a_captured_hold_is_a_conflict(person, session):
    hold = hold_of(person, session)
    person.service.call("Payments.Capture", hold=hold["id"], capture_id="c1", amount="5.00")
    error = person.service.fails("Payments.Capture", hold=hold["id"], capture_id="c2", amount="5.00")
    assert error.name == "Conflict"
    assert person.service.fails("Payments.Capture", hold=hold["id"], capture_id="c1", amount="6.00").name == "Conflict"


def test_a_capture_above_the_hold_is_a_conflict_and_does_nothing(person, session):
    hold = hold_of(person, session)
    assert person.service.fails("Payments.Capture", hold=hold["id"], capture_id="c1", amount="20.01").name == "Conflict"
    assert person.service.call("Payments.Capture", hold=hold["id"], capture_id="c1")["hold"]["captured"] == "20.00"


def test_a_partial_capture_gives_the_rest_back(broker, person, session):
    broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                      limits={"currency": "CNY", "per_day": "100.00"})
    hold = hold_of(person, session, "100.00")
    assert person.authorize(session, person.payment("1.00"))["reason"] == "limit_day"
    done = person.service.call("Payments.Capture", hold=hold["id"], capture_id="c1", amount="30.00")
    assert done["hold"]["captured"] == "30.00"
    assert person.authorize(session, person.payment("70.01"))["outcome"] == "deny"
    assert person.authorize(session, person.payment("70.00"))["outcome"] == "step_up"


def test_release_gives_all_back_and_again_is_the_same(broker, person, session):
    broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                      limits={"currency": "CNY", "per_day": "20.00"})
    hold = hold_of(person, session)
    first = person.service.call("Payments.Release", hold=hold["id"])
    assert first["hold"]["state"] == "released"
    second = person.service.call("Payments.Release", hold=hold["id"])
    assert second["replayed"] is True and second["hold"] == first["hold"]
    assert person.authorize(session, person.payment("20.00"))["outcome"] == "step_up"


def test_what_is_captured_is_not_released_and_the_reverse(person, session):
    captured, released = hold_of(person, session), hold_of(person, session)
    person.service.call("Payments.Capture", hold=captured["id"], capture_id="c1")
    person.service.call("Payments.Release", hold=released["id"])
    assert person.service.fails("Payments.Release", hold=captured["id"]).name == "Conflict"
    answer = person.service.call("Payments.Capture", hold=released["id"], capture_id="c1")
    assert (answer["outcome"], answer["reason"]) == ("deny", "hold_released") and "captured" not in answer["hold"]


def test_refunds_sum_to_what_was_captured(person, session):
    payment, permit = ask_again(person, session, capture=True)
    shop, where = person.service, {"account": person.account, "payment": payment["id"]}
    assert shop.call("Payments.Refund", **where, refund_id="r1", amount="15.00")["hold"]["refunded"] == "15.00"
    again = shop.call("Payments.Refund", **where, refund_id="r1", amount="15.00")
    assert again["replayed"] is True and again["hold"]["refunded"] == "15.00"
    assert shop.fails("Payments.Refund", **where, refund_id="r1", amount="14.00").name == "Conflict"
    assert shop.fails("Payments.Refund", **where, refund_id="r2", amount="5.01").name == "Conflict"
    assert shop.call("Payments.Refund", **where, refund_id="r2", amount="5.00")["hold"]["refunded"] == "20.00"
    assert shop.fails("Payments.Refund", **where, refund_id="r3", amount="0.01").name == "Conflict"


def test_a_refund_gives_no_limit_back(broker, person, session):
    broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                      limits={"currency": "CNY", "per_day": "20.00"})
    payment, _ = ask_again(person, session, capture=True)
    person.service.call("Payments.Refund", account=person.account, payment=payment["id"], refund_id="r1", amount="20.00")
    assert person.authorize(session, person.payment("0.01"))["reason"] == "limit_day"


def test_an_open_hold_has_nothing_to_refund(person, session):
    payment, _ = ask_again(person, session)
    error = person.service.fails("Payments.Refund", account=person.account, payment=payment["id"], refund_id="r1",
                                 amount="1.00")
    assert error.name == "Conflict"


def test_one_services_payments_are_not_there_for_another(market, person, session):
    payment, permit = ask_again(person, session, capture=True)
    assert market.fails("Payments.Get", account=person.account, payment=payment["id"]).parameters == {"what": "payment"}
    assert market.fails("Payments.Capture", hold=permit["hold"]["id"], capture_id="c").parameters == {"what": "hold"}
    assert market.fails("Payments.Release", hold=permit["hold"]["id"]).parameters == {"what": "hold"}
    assert market.fails("Payments.Refund", account=person.account, payment=payment["id"], refund_id="r",
                        amount="1").parameters == {"what": "payment"}


# --- time ----------------------------------------------------------------------------------------------------------

def test_a_hold_expires_and_gives_its_amount_back(broker, person, session):
    broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                      limits={"currency": "CNY", "per_month": "20.00"})
    payment, permit = ask_again(person, session)
    broker.clock.advance(7 * DAY - 60_000)
    assert person.service.call("Payments.Get", account=person.account, payment=payment["id"])["hold"]["state"] == "open"
    broker.clock.advance(2 * 60_000)
    assert person.service.call("Payments.Get", account=person.account,
                               payment=payment["id"])["hold"]["state"] == "expired"
    answer = person.service.call("Payments.Capture", hold=permit["hold"]["id"], capture_id="late")
    assert (answer["outcome"], answer["reason"]) == ("deny", "hold_expired")
    assert person.authorize(person.session(), person.payment("20.00"))["outcome"] == "step_up"


def test_a_challenge_is_over_after_five_minutes(broker, person, session):
    payment = person.payment()
    challenge = person.authorize(session, payment)["challenge"]["id"]
    broker.clock.advance(5 * 60_000 + 1000)
    step = person.service.call("StepUp.Get", challenge=challenge)
    assert step["state"] == "expired"
    again = person.authorize(session, payment)
    assert again["outcome"] == "step_up" and again["challenge"]["id"] != challenge


# --- limits --------------------------------------------------------------------------------------------------------

def test_a_limit_denies_without_a_prompt(broker, person, session):
    answer = person.authorize(session, person.payment("1000.01"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_payment")
    assert answer["detail"]["limit"] == "1000.00 CNY" and "challenge" not in answer


def test_exactly_as_many_permits_as_the_limit_allows(broker, person, session):
    broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                      limits={"currency": "CNY", "per_day": "30.00"})
    outcomes = []
    for _ in itertools.repeat(None, 4):
        payment = person.payment("10.00")
        answer = person.authorize(session, payment)
        if answer["outcome"] == "step_up":
            person.confirm(answer["challenge"]["id"])
            answer = person.authorize(session, payment)
        outcomes.append(answer["outcome"])
    assert outcomes == ["permit"] * 3 + ["deny"]
