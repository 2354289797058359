# SPDX-License-Identifier: Apache-2.0
"""Attacks with ID tokens and the provider's keys: each is refused with its own reason, opens nothing, and is counted."""
import json

import pytest

# Each switch of the provider that spoils a token, and the reason that the service must hear. A test below holds this
# table against the provider's own list.
REASONS = {
    "wrong_iss": "bad_issuer", "iss_slash": "bad_issuer", "missing_iss": "bad_token",
    "wrong_aud": "bad_audience", "extra_aud": "bad_audience", "missing_aud": "bad_token", "azp_other": "bad_audience",
    "wrong_nonce": "bad_nonce", "missing_nonce": "bad_nonce",
    "missing_sub": "bad_token", "empty_sub": "bad_token", "number_sub": "bad_token", "long_sub": "bad_token",
    "control_sub": "bad_token", "duplicate_sub": "bad_token",
    "expired": "expired", "missing_exp": "bad_token", "exp_text": "bad_token", "exp_overflow": "bad_token",
    "exp_negative": "bad_token", "iat_future": "not_yet_valid", "iat_old": "expired", "missing_iat": "bad_token",
    "nbf_future": "not_yet_valid", "logout_token": "bad_type", "deep_claim": "bad_token", "not_utf8": "bad_token",
    "not_json": "bad_token", "kid_path": "bad_key", "kid_number": "bad_key", "crit_unknown": "bad_token",
    "b64_false": "bad_token", "typ_other": "bad_type", "duplicate_alg": "bad_token",
    "alg_none": "bad_algorithm", "alg_none_mixed": "bad_algorithm", "hs256_public_key": "bad_algorithm",
    "hs256_client_secret": "bad_algorithm", "alg_swapped": "bad_key", "unknown_kid": "bad_key",
    "same_kid_other_key": "bad_signature", "jwk_header": "bad_key", "jku_header": "bad_key",
    "tampered": "bad_signature", "signature_der": "bad_signature", "signature_zero": "bad_signature",
    "signature_short": "bad_signature", "signature_empty": "bad_signature", "trailing_bits": "bad_signature",
    "padded": "bad_signature", "five_parts": "bad_token", "flattened": "bad_token",
}
# Refused before a token is looked at: the field's own check.
MALFORMED = {"newline": "contains control characters"}
# Not attacks on the sign-in itself: the age of the sign-in is a stack's business (S6), a native app has no access token
# to compare at_hash with, a set with one key of an algorithm needs no kid, and a huge token is X8.
HARMLESS = {"auth_time_old", "missing_auth_time", "wrong_at_hash", "missing_kid", "huge_claim"}


def opened(person, **mint):
    """What Sessions.Open says to a token like this: the error."""
    begun = person.service.call("Sessions.Begin", provider="sandbox")
    token = person.broker.provider.token(person.subject, begun["nonce"], **mint)
    return person.service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)


def asked(broker, path):
    """How often the provider was asked for this path."""
    _, body = broker.provider.ask("GET", "/control/log")
    return json.loads(body)["counts"].get(path, 0)


def test_L8_every_switch_of_the_provider_is_judged():
    from openid_provider.bad_tokens import TABLE
    assert {switch.name for switch in TABLE} == set(REASONS) | set(MALFORMED) | HARMLESS


@pytest.mark.parametrize("switch", REASONS)
def test_L8_X7_a_bad_token_opens_nothing(person, log, switch):
    error = opened(person, corrupt=switch)
    assert (error.name, error.parameters) == ("InvalidParameter", {"field": "id_token", "reason": REASONS[switch]})
    assert log.events(person.account, "session_opened") == []
    log.strangers("checkout", REASONS[switch])


@pytest.mark.parametrize("switch", MALFORMED)
def test_X7_a_malformed_token_opens_nothing(person, log, switch):
    error = opened(person, corrupt=switch)
    assert (error.name, error.parameters) == ("InvalidParameter", {"field": "id_token", "reason": MALFORMED[switch]})
    assert log.events(person.account, "session_opened") == []


def test_L8_a_token_is_used_once(shop, broker, person, log):
    begun = shop.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token(person.subject, begun["nonce"])
    assert shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["outcome"] == "permit"
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "sign_in"}
    again = shop.call("Sessions.Begin", provider="sandbox")
    error = shop.fails("Sessions.Open", sign_in=again["sign_in"], id_token=token)
    assert error.parameters == {"field": "id_token", "reason": "bad_nonce"}
    assert len(log.events(person.account, "session_opened")) == 1
    log.strangers("checkout", "bad_nonce")


def test_L8_two_opens_at_once_are_one(broker, person, log):
    begun = broker.service.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token(person.subject, begun["nonce"])
    clients = [broker.connect() for _ in range(12)]
    for client in clients:
        client.send("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    replies = [client.read() for client in clients]
    assert len([r for r in replies if "error" not in r]) == 1
    assert {r["error"] for r in replies if "error" in r} == {"org.countersign.NotFound"}
    assert len(log.events(person.account, "session_opened")) == 1


@pytest.mark.parametrize("aud", ["another-app", "countersign-web-2", "", "COUNTERSIGN-APP"])
def test_L8_a_token_of_another_app_is_refused(person, log, aud):
    assert opened(person, overrides={"aud": aud}).parameters["reason"] in ("bad_audience", "bad_token")
    assert log.events(person.account, "session_opened") == []


def test_X7_a_header_fetches_nothing(broker, person):
    """jku, x5u and jwk in a header: nobody goes there."""
    for header in ({"jku": broker.provider.issuer + "/trap/jwks"}, {"x5u": broker.provider.issuer + "/trap/x5u"}):
        begun = person.service.call("Sessions.Begin", provider="sandbox")
        token = broker.provider.token(person.subject, begun["nonce"], corrupt="same_kid_other_key", header=header)
        assert person.service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).name == "InvalidParameter"
    assert opened(person, corrupt="jku_header").parameters["reason"] == "bad_key"
    assert asked(broker, "/trap/jwks") == asked(broker, "/trap/x5u") == asked(broker, "/trap") == 0


def test_X7_a_flood_of_unknown_keys_fetches_seldom(broker, person, log):
    """Forty tokens, each with a kid of its own: the keys are fetched anew a few times, not forty."""
    person.session()
    before = asked(broker, "/jwks")
    for i in range(40):
        assert opened(person, corrupt="unknown_kid", header={"kid": f"kid-{i}"}).parameters["reason"] == "bad_key"
    assert asked(broker, "/jwks") - before <= 4
    log.strangers("checkout", "bad_key")
    person.session()


@pytest.mark.parametrize("switch", ["jwks_redirect", "jwks_huge", "jwks_garbage", "jwks_not_object", "jwks_close"])
def test_X7_keys_that_cannot_be_had_open_nothing(broker, person, log, switch):
    """The known keys stay; an unknown one stays unknown, whatever the provider answers. Nobody follows a redirect."""
    person.session()
    broker.clock.advance(120_000)
    broker.provider.control("misbehave", **{switch: True})
    error = opened(person, corrupt="unknown_kid")
    assert error.name in ("InvalidParameter", "Unavailable")
    assert len(log.events(person.account, "session_opened")) == 1
    assert asked(broker, "/trap") == 0
    broker.provider.calm()
    person.session()
