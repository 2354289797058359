# SPDX-License-Identifier: Apache-2.0
"""The worker with the plugin oidc against a real OpenID Provider: good sign-ins, and each misbehaviour's reason."""

import pytest

from idp import start
from relying_party import REDIRECT, RelyingParty
from sign_in import answer, exchange, identify, mint
from worker_process import now_ms


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    handle = start(tmp_path_factory.mktemp("idp"))
    yield handle
    handle.stop()


@pytest.fixture
def rp(provider):
    party = RelyingParty(provider.issuer, provider.ca)
    party.control("reset")
    party.register()
    yield party
    party.close()


@pytest.fixture
def worker(start_worker, provider, rp, tmp_path):
    """A fresh one each test: it has fetched nothing yet."""
    secret = tmp_path / "secret"
    secret.write_text(rp.secret + "\n")
    secret.chmod(0o600)
    worker = start_worker("oidc", "provider", f"""
    set issuer "{provider.issuer}"
    set client-id "{rp.client_id}"
    set client-secret file "{secret}"
    set ca-file "{provider.ca}"
    set keys-min-interval 3600""", deadline="60s")
    assert worker.ready, worker.log()
    return worker


def fetches(rp, path):
    return rp.get("/control/log").json()["counts"].get(path, 0)


def test_code_flow_from_its_url_to_the_identity(worker, rp):
    connection = worker.connect()
    url = connection.call(
        "AuthorizationUrl", deadline_ms=60000, request="r0", state=rp.state, nonce=rp.nonce,
        code_challenge=rp.request_fields()["code_challenge"], redirect_uri=REDIRECT,
        client_id=rp.client_id)["url"]
    assert url.startswith(rp.issuer + "/authorize?")
    path = url[len(rp.issuer):] + "&prompt=none&login_hint=alice"
    came = rp.get(path).redirect_fields()
    assert came["state"] == [rp.state]
    got = exchange(connection, rp, came["code"][0], iss=came["iss"][0])
    assert (got["request"], got["issuer"], got["audience"], got["nonce"]) == (
        "r1", rp.issuer, rp.client_id, rp.nonce)
    assert got["subject"] and got["auth_time"] <= now_ms() < got["expires_at"]


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_token_of_a_native_app(worker, rp, alg):
    got = identify(worker.connect(), rp, id_token=mint(rp, alg=alg))
    assert got["subject"] and got["audience"] == rp.client_id


def test_code_works_once_and_with_its_verifier(worker, rp):
    connection = worker.connect()
    code = rp.code()
    assert answer(exchange, connection, rp, code) == "good"
    assert answer(exchange, connection, rp, code) == "bad_code"
    assert answer(exchange, connection, rp, code_verifier="x" * 43) == "bad_code"
    assert answer(exchange, connection, rp, "made-up") == "bad_code"


BAD_TOKENS = {
    "wrong_iss": "bad_issuer", "iss_slash": "bad_issuer", "missing_iss": "bad_token",
    "wrong_aud": "bad_audience", "extra_aud": "bad_audience", "missing_aud": "bad_token",
    "azp_other": "bad_audience", "wrong_nonce": "bad_nonce", "missing_nonce": "bad_nonce",
    "missing_sub": "bad_token", "empty_sub": "bad_token", "number_sub": "bad_token",
    "long_sub": "bad_token", "control_sub": "bad_token", "duplicate_sub": "bad_token",
    "expired": "expired", "missing_exp": "bad_token", "exp_text": "bad_token",
    "exp_overflow": "bad_token", "exp_negative": "bad_token", "iat_future": "not_yet_valid",
    "iat_old": "expired", "missing_iat": "bad_token", "nbf_future": "not_yet_valid",
    # No max-age is configured: an old sign-in, or one of unknown age, is for the stacks to judge.
    "auth_time_old": "good", "missing_auth_time": "good",
    "logout_token": "bad_type", "deep_claim": "bad_token",
    "not_utf8": "bad_token", "not_json": "bad_token",
    # Without a kid, the one key that fits the algorithm is meant.
    "missing_kid": "good", "kid_path": "bad_key", "kid_number": "bad_key",
    "crit_unknown": "bad_token", "b64_false": "bad_token", "typ_other": "bad_type",
    "duplicate_alg": "bad_token", "alg_none": "bad_algorithm", "alg_none_mixed": "bad_algorithm",
    "hs256_public_key": "bad_algorithm", "hs256_client_secret": "bad_algorithm",
    "alg_swapped": "bad_key", "unknown_kid": "bad_key", "same_kid_other_key": "bad_signature",
    "jwk_header": "bad_key", "jku_header": "bad_key", "tampered": "bad_signature",
    "signature_der": "bad_signature", "signature_zero": "bad_signature",
    "signature_short": "bad_signature", "signature_empty": "bad_signature",
    "trailing_bits": "bad_signature", "padded": "bad_signature", "newline": "bad_token",
    "five_parts": "bad_token", "flattened": "bad_token",
}


@pytest.mark.parametrize("switch", BAD_TOKENS)
def test_bad_token(worker, rp, switch):
    """The same reason whether an app brings the token or the token endpoint gives it."""
    connection = worker.connect()
    assert answer(identify, connection, rp, id_token=mint(rp, corrupt=switch)) == BAD_TOKENS[switch]
    rp.misbehave(**{switch: True})
    assert answer(exchange, connection, rp) == BAD_TOKENS[switch]
    rp.misbehave(**{switch: False})
    assert answer(exchange, connection, rp) == "good"
    assert fetches(rp, "/trap/jwks") == 0


def test_every_switch_for_tokens_has_its_reason(rp):
    elsewhere = {"wrong_at_hash", "huge_claim"}  # each has a test of its own
    switches = rp.get("/control").json()["switches"]
    listed = {s["name"] for s in switches if s["part"] == "id_token"} if isinstance(
        switches, list) else {n for n, s in switches.items() if s["part"] == "id_token"}
    assert listed - elsewhere == set(BAD_TOKENS)


def test_access_token_that_was_exchanged_for_another(worker, rp):
    rp.misbehave(wrong_at_hash=True)
    assert answer(exchange, worker.connect(), rp) == "bad_token"


def test_token_of_a_megabyte_is_not_even_read(worker, rp):
    connection = worker.connect()
    rp.misbehave(huge_claim=40000)
    assert answer(exchange, connection, rp) == "bad_token"
    rp.misbehave(huge_claim=False)
    assert answer(exchange, connection, rp) == "good"


BAD_ANSWERS = {
    "discovery_wrong_issuer": "provider_error", "discovery_issuer_slash": "provider_error",
    "discovery_missing_issuer": "provider_error", "discovery_missing_jwks_uri": "provider_error",
    "discovery_missing_token_endpoint": "provider_error",
    "discovery_http_endpoint": "provider_error", "discovery_foreign_endpoints": "provider_error",
    "discovery_file_jwks_uri": "provider_error", "discovery_no_iss_support": "good",
    "discovery_no_pkce": "good", "discovery_weak_algs": "good",
    "jwks_empty": "bad_key", "jwks_missing_keys": "provider_error",
    "jwks_duplicate_kid": "provider_error", "jwks_private_keys": "provider_error",
    "jwks_symmetric_key": "provider_error", "jwks_other_keys": "bad_key",
    "jwks_wrong_use": "bad_key", "jwks_wrong_alg": "bad_key", "jwks_no_kid": "bad_key",
    "jwks_many_keys": "provider_error",
    "token_missing_id_token": "provider_error", "token_missing_access_token": "good",
    "token_wrong_token_type": "good",
    "discovery_500": "unreachable", "discovery_garbage": "provider_error",
    "discovery_blank": "provider_error", "discovery_not_object": "provider_error",
    "discovery_huge": "provider_error", "discovery_redirect": "provider_error",
    "discovery_wrong_type": "good", "discovery_error": "provider_error",
    "discovery_cut": "unreachable", "discovery_close": "unreachable",
    "jwks_500": "unreachable", "jwks_garbage": "provider_error", "jwks_blank": "provider_error",
    "jwks_not_object": "provider_error", "jwks_huge": "provider_error",
    "jwks_redirect": "provider_error", "jwks_wrong_type": "good", "jwks_error": "provider_error",
    "jwks_cut": "unreachable", "jwks_close": "unreachable",
    "token_500": "unreachable", "token_garbage": "provider_error", "token_blank": "provider_error",
    "token_not_object": "provider_error", "token_huge": "provider_error",
    "token_redirect": "provider_error", "token_wrong_type": "good", "token_error": "bad_code",
    "token_cut": "unreachable", "token_close": "unreachable",
}


@pytest.mark.parametrize("switch", BAD_ANSWERS)
def test_bad_answer(worker, rp, switch):
    rp.misbehave(**{switch: True})
    connection = worker.connect()
    assert answer(exchange, connection, rp) == BAD_ANSWERS[switch]
    assert fetches(rp, "/trap") == 0
    rp.misbehave(**{switch: False})
    assert answer(exchange, connection, rp) == "good"


@pytest.mark.parametrize("switch", [
    part + how for part in ("discovery", "jwks", "token") for how in ("_hang", "_drip")])
def test_provider_that_keeps_us_waiting(worker, rp, switch):
    """The plugin gives up by itself within the call's deadline, and the server lives on."""
    connection = worker.connect()
    rp.misbehave(**{switch: True})
    code = rp.code()
    assert answer(exchange, connection, rp, code, deadline_ms=500) == "too_late"
    rp.misbehave(**{switch: False})
    assert answer(exchange, connection, rp) == "good"
    assert "killed" not in worker.log()


def test_iss_of_the_answer_must_be_the_provider(worker, rp):
    connection = worker.connect()
    assert answer(exchange, connection, rp, iss="https://other.example") == "bad_issuer"
    assert answer(exchange, connection, rp, iss=None) == "bad_issuer"
    assert fetches(rp, "/token") == 0


def test_rotated_key_is_found_at_once(worker, rp):
    connection = worker.connect()
    assert answer(identify, connection, rp, id_token=mint(rp)) == "good"
    rp.control("rotate", keep_old=False)
    assert answer(identify, connection, rp, id_token=mint(rp)) == "good"


def test_unknown_kids_are_no_flood(worker, rp):
    connection = worker.connect()
    token = mint(rp, corrupt="unknown_kid")
    for _ in range(50):
        assert answer(identify, connection, rp, id_token=token) == "bad_key"
    assert fetches(rp, "/jwks") <= 4
    assert answer(identify, connection, rp, id_token=mint(rp)) == "good"


def test_wrong_authority_is_no_provider(start_worker, rp, provider, tmp_path_factory):
    stranger = start(tmp_path_factory.mktemp("stranger"))
    try:
        worker = start_worker("oidc", "provider", f"""
        set issuer "{provider.issuer}"
        set client-id "{rp.client_id}"
        set ca-file "{stranger.ca}" """)
        assert answer(identify, worker.connect(), rp, id_token=mint(rp)) == "unreachable"
    finally:
        stranger.stop()


def test_nothing_secret_is_logged(worker, rp):
    connection = worker.connect()
    code = rp.code()
    token = mint(rp, corrupt="tampered")
    answer(exchange, connection, rp, code)
    answer(exchange, connection, rp, code)
    answer(identify, connection, rp, id_token=token)
    for secret in (rp.secret, code, rp.verifier, token.split(".")[1], rp.nonce):
        assert secret not in worker.log()
