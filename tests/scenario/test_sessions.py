# SPDX-License-Identifier: Apache-2.0
"""Sessions: who is asking, by an assertion of the provider, for one service, for a while; and nothing about spending."""
import pytest

from harness import RETURN_URL

MINUTE, HOUR = 60_000, 3600_000


def begin(service):
    return service.call("Sessions.Begin", provider="sandbox")


def test_a_verified_token_of_a_linked_id_opens_a_session(person):
    opened = person.open()
    assert opened["outcome"] == "permit"
    assert (opened["account"], opened["link"]) == (person.account, person.link_id)
    assert opened["session"].startswith("sess_") and opened["expires_at"].endswith("Z")


def test_a_sign_in_is_used_once(shop, broker, person):
    begun = begin(shop)
    token = broker.provider.token(person.subject, begun["nonce"])
    assert shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["outcome"] == "permit"
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    assert (error.name, error.parameters) == ("NotFound", {"what": "sign_in"})


def test_a_refused_token_uses_the_sign_in_up(shop, broker, person):
    begun = begin(shop)
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token="no token").name == "InvalidParameter"
    token = broker.provider.token(person.subject, begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).name == "NotFound"


def test_a_token_of_another_sign_in_is_refused(shop, broker, person):
    first, second = begin(shop), begin(shop)
    token = broker.provider.token(person.subject, first["nonce"])
    error = shop.fails("Sessions.Open", sign_in=second["sign_in"], id_token=token)
    assert error.parameters == {"field": "id_token", "reason": "bad_nonce"}


@pytest.mark.parametrize("corrupt, reason", [
    ("wrong_aud", "bad_audience"), ("wrong_iss", "bad_issuer"), ("expired", "expired"), ("tampered", "bad_signature"),
    ("alg_none", "bad_algorithm"), ("missing_nonce", "bad_nonce"), ("not_json", "bad_token")])
def test_each_fault_of_a_token_has_its_reason(person, corrupt, reason):
    begun = begin(person.service)
    token = person.broker.provider.token(person.subject, begun["nonce"], corrupt=corrupt)
    error = person.service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    assert error.parameters == {"field": "id_token", "reason": reason}


def test_a_token_for_another_services_app_is_refused(shop, broker, person):
    begun = begin(shop)
    token = broker.provider.token(person.subject, begun["nonce"], aud="another-app")
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    assert error.parameters["reason"] == "bad_audience"


def test_an_id_that_nobody_linked_is_not_found(person):
    begun = begin(person.service)
    token = person.broker.provider.token("stranger-" + person.subject, begun["nonce"])
    error = person.service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    assert (error.name, error.parameters) == ("NotFound", {"what": "link"})


def test_a_sign_in_belongs_to_the_service_that_began_it(shop, market, broker, person):
    begun = begin(shop)
    token = broker.provider.token(person.subject, begun["nonce"])
    assert market.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).name == "NotFound"
    # The other service's try has not used it up.
    assert shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["outcome"] == "permit"


def test_a_session_belongs_to_its_service(market, person):
    session = person.session()
    assert market.fails("Sessions.Close", session=session).name == "NotFound"
    assert market.fails("Payments.Authorize", session=session, payment=person.payment()).name == "NotFound"


def test_each_service_has_sessions_of_its_own(market, broker, person):
    begun = begin(market)
    token = broker.provider.token(person.subject, begun["nonce"], aud="another-app")
    opened = market.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    assert (opened["outcome"], opened["account"]) == ("permit", person.account)


def test_a_session_alone_permits_no_spending(person):
    answer = person.authorize(person.session(), person.payment())
    assert (answer["outcome"], answer["reason"]) == ("step_up", "countersignature_required")


def test_a_closed_session_is_gone(shop, person):
    session = person.session()
    assert shop.call("Sessions.Close", session=session) == {}
    assert shop.fails("Sessions.Close", session=session).name == "NotFound"
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_invalid")


def test_fifteen_idle_minutes_end_a_session(broker, person):
    session = person.session()
    broker.clock.advance(16 * MINUTE)
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_expired")


def test_a_sign_in_is_over_after_ten_minutes(shop, broker, person):
    begun = begin(shop)
    broker.clock.advance(11 * MINUTE)
    token = broker.provider.token(person.subject, begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).name == "NotFound"


def test_a_suspended_link_opens_no_session(shop, person):
    shop.call("Links.Suspend", link=person.link_id)
    opened = person.open()
    assert (opened["outcome"], opened["reason"]) == ("deny", "link_suspended")
    assert "session" not in opened and "account" not in opened


def test_a_silent_provider_is_unavailable(shop, broker, person):
    broker.provider.control("misbehave", jwks_500=True, discovery_500=True)
    broker.provider.control("rotate", keep_old=False)
    begun = begin(shop)
    token = broker.provider.token(person.subject, begun["nonce"])
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    assert error.name in ("Unavailable", "InvalidParameter")
    assert error.name == "InvalidParameter" or error.parameters["what"] == "sandbox"


@pytest.mark.parametrize("parameters, field", [
    ({}, "sign_in"), ({"sign_in": "sign_x", "id_token": "a", "code": "b"}, "id_token"), ({"sign_in": "sign_x"}, "id_token"),
    ({"sign_in": "sign_x", "id_token": "a" * 17000}, "id_token"), ({"sign_in": 7, "id_token": "a"}, "sign_in")])
def test_what_is_wrong_with_the_parameters_is_named(shop, parameters, field):
    error = shop.fails("Sessions.Open", **parameters)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", field)


def test_begin_checks_provider_and_return_url(shop):
    assert shop.fails("Sessions.Begin", provider="nowhere").parameters == {"what": "provider"}
    error = shop.fails("Sessions.Begin", provider="sandbox", return_url="https://evil.example/")
    assert error.parameters["field"] == "return_url"
    begun = shop.call("Sessions.Begin", provider="sandbox", return_url=RETURN_URL)
    assert set(begun) == {"sign_in", "nonce", "start_url", "expires_at"}
    assert shop.call("Sessions.Begin", provider="sandbox")["nonce"] != begun["nonce"]


def test_take_before_the_browser_is_home_is_a_conflict(shop):
    begun = begin(shop)
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).name == "Conflict"
