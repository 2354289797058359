# SPDX-License-Identifier: Apache-2.0
"""Every switch misbehaves as it is named, and the honest flow is back once it is off.

Each table below maps switches to what a relying party would see. A switch that no table
mentions fails test_each_switch_is_tested.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature, encode_dss_signature)
from jwcrypto import jwk, jws

from openid_provider import bad_answers, bad_tokens
from relying_party import parts

HERE = os.path.dirname(os.path.abspath(__file__))
AUD = "app"

# What is wrong with the token's claims c, seen at time t; its signature is good.
CLAIMS = {
    "wrong_iss": lambda c, t: c["iss"] == "https://accounts.example.test",
    "iss_slash": lambda c, t: c["iss"].endswith("/"),
    "missing_iss": lambda c, t: "iss" not in c,
    "wrong_aud": lambda c, t: AUD not in c["aud"],
    "extra_aud": lambda c, t: c["aud"] == [AUD, "somebody-else"] and "azp" not in c,
    "missing_aud": lambda c, t: "aud" not in c,
    "azp_other": lambda c, t: AUD in c["aud"] and c["azp"] == "somebody-else",
    "wrong_nonce": lambda c, t: c["nonce"] != "n",
    "missing_nonce": lambda c, t: "nonce" not in c,
    "missing_sub": lambda c, t: "sub" not in c,
    "empty_sub": lambda c, t: c["sub"] == "",
    "number_sub": lambda c, t: c["sub"] == 12345,
    "long_sub": lambda c, t: len(c["sub"]) == 256,
    "control_sub": lambda c, t: not c["sub"].isprintable(),
    "expired": lambda c, t: c["iat"] < c["exp"] < t - 3000,
    "missing_exp": lambda c, t: "exp" not in c,
    "exp_text": lambda c, t: isinstance(c["exp"], str),
    "exp_overflow": lambda c, t: c["exp"] == float("inf"),
    "exp_negative": lambda c, t: c["exp"] == -1,
    "iat_future": lambda c, t: c["iat"] > t + 3000,
    "iat_old": lambda c, t: c["iat"] < t - 80000 and c["exp"] > t,
    "missing_iat": lambda c, t: "iat" not in c,
    "nbf_future": lambda c, t: c["nbf"] > t + 3000,
    "auth_time_old": lambda c, t: c["auth_time"] < t - 80000,
    "missing_auth_time": lambda c, t: "auth_time" not in c,
    "wrong_at_hash": lambda c, t: c["at_hash"] == "A" * 22,
    "logout_token": lambda c, t: "events" in c and "nonce" not in c,
    "huge_claim": lambda c, t: len(c["x"]) == 128 * 1024,
}

# What is wrong with the header alone: claims and signature are good.
GOOD_BUT_FOR_THE_HEADER = ("kid_path", "kid_number", "missing_kid", "crit_unknown", "b64_false",
                           "typ_other")

# What is wrong with the token's header h.
HEADERS = {
    "logout_token": lambda h: h["typ"] == "logout+jwt",
    "missing_kid": lambda h: "kid" not in h,
    "kid_path": lambda h: h["kid"].startswith("../"),
    "kid_number": lambda h: h["kid"] == 7,
    "crit_unknown": lambda h: h["crit"][0] in h,
    "b64_false": lambda h: h["b64"] is False and h["crit"] == ["b64"],
    "typ_other": lambda h: h["typ"] == "at+jwt",
    "duplicate_alg": lambda h: h["alg"] == "none",
    "alg_none": lambda h: h["alg"] == "none",
    "alg_none_mixed": lambda h: h["alg"] == "nOnE",
    "hs256_public_key": lambda h: h["alg"] == "HS256",
    "hs256_client_secret": lambda h: h["alg"] == "HS256",
    "jwk_header": lambda h: "x" in h["jwk"] or "n" in h["jwk"],
    "jku_header": lambda h: h["jku"].endswith("/trap/jwks"),
}

# Tokens whose text no strict parser takes, with what stands in it.
TEXTS = {
    "duplicate_sub": lambda t: payload(t).count(b'"sub":') == 2,
    "deep_claim": lambda t: b"[" * 1000 + b"]" * 1000 in payload(t),
    "not_utf8": lambda t: b"\xff\xfe" in payload(t),
    "not_json": lambda t: payload(t).startswith(b"sub="),
    "padded": lambda t: t.endswith("="),
    "newline": lambda t: "\n" in t,
    "five_parts": lambda t: t.count(".") == 4,
    "flattened": lambda t: set(json.loads(t)) == {"protected", "payload", "signature"},
}

# Tokens whose signature is not one by a published key over what the token says.
UNSIGNED = ("alg_none", "alg_none_mixed", "hs256_public_key", "hs256_client_secret", "alg_swapped",
            "unknown_kid", "same_kid_other_key", "jwk_header", "jku_header", "tampered",
            "duplicate_alg", "signature_der", "signature_zero", "signature_short",
            "signature_empty")

# Tested on their own, at the end.
ALONE_TOKENS = ("trailing_bits",)


def payload(token):
    part = token.split(".")[1].replace("\n", "")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def mint(rp, corrupt, alg="ES256"):
    minted = rp.control("mint", user="alice", aud=AUD, nonce="n", alg=alg, corrupt=corrupt)
    return minted["id_token"]


def signed_by_published_key(rp, token, alg):
    """Whether some published key made the signature, whatever the header says of it."""
    data, _, _ = token.rpartition(".")
    raw = parts(token)[2]
    key = jwk.JWK(**next(k for k in rp.keys() if k["alg"] == alg)).get_op_key("verify")
    try:
        if alg == "RS256":
            key.verify(raw, data.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif len(raw) != 64:
            return False
        else:
            der = encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                       int.from_bytes(raw[32:], "big"))
            key.verify(der, data.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def test_each_switch_is_tested():
    tested = {*CLAIMS, *HEADERS, *TEXTS, *UNSIGNED, *ALONE_TOKENS, *DISCOVERY, *KEY_SETS,
              *AUTHORIZE, *TOKEN_REPLIES, *USERINFO}
    tested |= {f"{e}_{d}" for e in bad_answers.ENDPOINTS for d in DELIVERIES}
    assert {switch.name for switch in bad_tokens.TABLE + bad_answers.TABLE} == tested


def test_readme_lists_each_switch():
    listed = subprocess.run([sys.executable, os.path.join(HERE, "idp.py"), "--list-switches"],
                            capture_output=True, text=True, check=True).stdout
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as readme:
        assert listed in readme.read(), "put the output of idp.py --list-switches in README.md"


# ID tokens

@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.parametrize("name", CLAIMS)
def test_token_with_a_good_signature_has_a_wrong_claim(provider, rp, name, alg):
    token = mint(rp, name, alg)
    assert signed_by_published_key(rp, token, alg)
    assert CLAIMS[name](parts(token)[1], provider.clock.now())


@pytest.mark.parametrize("name", HEADERS)
def test_token_has_a_wrong_header(rp, name):
    assert HEADERS[name](parts(mint(rp, name))[0])


@pytest.mark.parametrize("name", GOOD_BUT_FOR_THE_HEADER)
def test_token_is_good_but_for_its_header(rp, name):
    token = mint(rp, name)
    assert signed_by_published_key(rp, token, "ES256")
    assert parts(token)[1]["aud"] == AUD and parts(token)[1]["nonce"] == "n"


@pytest.mark.parametrize("name", TEXTS)
def test_token_text_is_wrong(rp, name):
    assert TEXTS[name](mint(rp, name))


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.parametrize("name", UNSIGNED)
def test_token_signature_does_not_verify(rp, name, alg):
    if name in ("alg_swapped", "duplicate_alg"):
        assert not rp.verifies(mint(rp, name, alg), alg)  # good bytes under a wrong header
    else:
        assert not signed_by_published_key(rp, mint(rp, name, alg), alg)


def test_hs256_tokens_verify_for_who_confuses_the_key(provider, rp):
    def hmac_is(secret, token):
        data, _, _ = token.rpartition(".")
        return hmac.new(secret, data.encode(), hashlib.sha256).digest() == parts(token)[2]
    published = jwk.JWK(**next(k for k in rp.keys() if k["alg"] == "RS256"))
    assert hmac_is(published.export_to_pem(), mint(rp, "hs256_public_key", "RS256"))
    rp.control("client", id=AUD, secret="its secret")
    assert hmac_is(b"its secret", mint(rp, "hs256_client_secret"))


def test_same_kid_other_key_keeps_the_kid_and_jwk_header_brings_its_key(rp):
    kids = {key["kid"] for key in rp.keys()}
    assert parts(mint(rp, "same_kid_other_key"))[0]["kid"] in kids
    assert parts(mint(rp, "unknown_kid"))[0]["kid"] not in kids
    token = mint(rp, "jwk_header")
    brought = jws.JWS()
    brought.deserialize(token)
    brought.verify(jwk.JWK(**parts(token)[0]["jwk"]))


def test_der_signature_would_verify_as_der(rp):
    r, s = decode_dss_signature(parts(mint(rp, "signature_der"))[2])
    assert r > 0 and s > 0


def test_tampered_token_names_somebody_else(rp):
    assert parts(mint(rp, "tampered"))[1]["sub"] == "somebody-else"


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_trailing_bits_are_another_text_of_the_same_signature(rp, alg):
    token = mint(rp, "trailing_bits", alg)
    assert signed_by_published_key(rp, token, alg)
    again = base64.urlsafe_b64encode(parts(token)[2]).rstrip(b"=").decode()
    assert again != token.rpartition(".")[2]


def test_switches_combine_and_take_arguments(rp):
    token = mint(rp, {"huge_claim": 10, "expired": True, "alg_none": True, "wrong_iss": False})
    header, claims, signature = parts(token)
    assert claims["x"] == "x" * 10 and claims["exp"] < claims["iat"] + 7200
    assert header["alg"] == "none" and signature == b"" and "example" not in claims["iss"]


def test_misbehave_spoils_tokens_of_the_flow_and_not_minted_ones(rp):
    rp.misbehave(wrong_nonce=True)
    assert rp.verify(rp.exchange(rp.code()).json()["id_token"])["nonce"] == "not-yours"
    assert parts(mint(rp, []))[1]["nonce"] == "n"
    rp.misbehave(wrong_nonce=False)
    assert rp.verify(rp.exchange(rp.code()).json()["id_token"])["nonce"] == rp.nonce


def test_times_limits_how_often_a_switch_is_used(rp):
    rp.misbehave(jwks_500=True, times=2)
    assert [rp.get("/jwks").status for _ in range(3)] == [500, 500, 200]


@pytest.mark.parametrize("switches", [
    {"no_such": True}, {"jwks_500": 3}, {"jwks_slow": -1}, {"jwks_slow": "long"},
    {"jwks_slow": None}, {"token_error": "a\r\nb"}, {"jwks_500": True, "times": 0},
    {"jwks_500": True, "no_such": True}])
def test_wrong_switch_is_refused_and_changes_nothing(rp, switches):
    answer = rp.try_control("misbehave", **switches)
    assert answer.status == 400 and answer.json()["error"]
    assert rp.get("/control").json()["on"] == {}


# What documents say

DISCOVERY = {
    "discovery_wrong_issuer": lambda d, iss: d["issuer"] == "https://accounts.example.test",
    "discovery_issuer_slash": lambda d, iss: d["issuer"] == iss + "/",
    "discovery_missing_issuer": lambda d, iss: "issuer" not in d,
    "discovery_missing_jwks_uri": lambda d, iss: "jwks_uri" not in d,
    "discovery_missing_token_endpoint": lambda d, iss: "token_endpoint" not in d,
    "discovery_http_endpoint": lambda d, iss: d["jwks_uri"].startswith("http:"),
    "discovery_foreign_endpoints": lambda d, iss: not d["token_endpoint"].startswith(iss),
    "discovery_file_jwks_uri": lambda d, iss: d["jwks_uri"].startswith("file:"),
    "discovery_no_iss_support":
        lambda d, iss: d["authorization_response_iss_parameter_supported"] is False,
    "discovery_no_pkce": lambda d, iss: "code_challenge_methods_supported" not in d,
    "discovery_weak_algs":
        lambda d, iss: d["id_token_signing_alg_values_supported"] == ["none", "HS256"],
}

KEY_SETS = {
    "jwks_empty": lambda keys: keys == [],
    "jwks_missing_keys": lambda keys: keys is None,
    "jwks_duplicate_kid": lambda keys: len(keys) == 2 * len({k["kid"] for k in keys}),
    "jwks_private_keys": lambda keys: all("d" in k for k in keys),
    "jwks_symmetric_key": lambda keys: [k for k in keys if k["kty"] == "oct"],
    "jwks_other_keys": lambda keys: len(keys) == 2,
    "jwks_wrong_use": lambda keys: {k["use"] for k in keys} == {"enc"},
    "jwks_wrong_alg": lambda keys: {k["alg"] for k in keys} == {"ES512"},
    "jwks_no_kid": lambda keys: not any("kid" in k for k in keys),
    "jwks_many_keys": lambda keys: len([k for k in keys if "filler" in k["kid"]]) == 200,
}

AUTHORIZE = {
    "authorize_omit_iss": lambda f, rp: "iss" not in f,
    "authorize_wrong_iss": lambda f, rp: f["iss"] == ["https://accounts.example.test"],
    "authorize_omit_state": lambda f, rp: "state" not in f,
    "authorize_wrong_state": lambda f, rp: f["state"] == ["not-yours"],
    "authorize_omit_code": lambda f, rp: "code" not in f,
    "authorize_wrong_code": lambda f, rp: rp.exchange(f["code"][0]).status == 400,
    "authorize_duplicate_code": lambda f, rp: len(f["code"]) == 2,
    "authorize_error": lambda f, rp: f["error"] == ["access_denied"] and "code" not in f,
}

TOKEN_REPLIES = {
    "token_missing_id_token": lambda r: "id_token" not in r and "access_token" in r,
    "token_missing_access_token": lambda r: "access_token" not in r and "id_token" in r,
    "token_wrong_token_type": lambda r: r["token_type"] == "mac",
}

USERINFO = {
    "userinfo_wrong_sub": lambda u: u["sub"] == "somebody-else",
    "userinfo_missing_sub": lambda u: "sub" not in u,
}


@pytest.mark.parametrize("name", DISCOVERY)
def test_discovery_says_something_wrong(rp, name):
    rp.misbehave(**{name: True})
    document = rp.get("/.well-known/openid-configuration").json()
    assert DISCOVERY[name](document, rp.issuer)


@pytest.mark.parametrize("name", KEY_SETS)
def test_key_set_is_wrong(rp, name):
    honest = {key["kid"] for key in rp.keys()}
    rp.misbehave(**{name: True})
    keys = rp.get("/jwks").json().get("keys")
    assert KEY_SETS[name](keys)
    if name == "jwks_other_keys":
        assert not honest & {key["kid"] for key in keys}
    if name == "jwks_duplicate_kid":
        first = {key["kid"]: key for key in reversed(keys)}
        last = {key["kid"]: key for key in keys}
        assert set(last) == honest and not [kid for kid in honest if first[kid] == last[kid]]


@pytest.mark.parametrize("name", AUTHORIZE)
def test_authorization_response_is_wrong(rp, name):
    rp.misbehave(**{name: True})
    assert AUTHORIZE[name](rp.authorize().redirect_fields(), rp)


@pytest.mark.parametrize("name", TOKEN_REPLIES)
def test_token_reply_is_wrong(rp, name):
    rp.misbehave(**{name: True})
    assert TOKEN_REPLIES[name](rp.exchange(rp.code()).json())


@pytest.mark.parametrize("name", USERINFO)
def test_userinfo_is_wrong(rp, name):
    access_token = rp.exchange(rp.code()).json()["access_token"]
    rp.misbehave(**{name: True})
    assert USERINFO[name](rp.get("/userinfo", Authorization="Bearer " + access_token).json())


# How answers are delivered

def ask(rp, endpoint):
    paths = {"discovery": "/.well-known/openid-configuration", "jwks": "/jwks",
             "userinfo": "/userinfo"}
    if endpoint == "token":
        return rp.exchange(rp.code())
    return rp.get(paths[endpoint])


def fails_with(error):
    def check(rp, endpoint, name):
        with pytest.raises(error):
            ask(rp, endpoint)
        rp.connection.close()
    return check


def answers(condition, argument=True):
    def check(rp, endpoint, name):
        rp.misbehave(**{name: argument})
        assert condition(ask(rp, endpoint))
    return check


def is_not_json(answer):
    with pytest.raises(ValueError):
        answer.json()
    return True


def hangs(rp, endpoint, name):
    path = {"discovery": "/.well-known/openid-configuration"}.get(endpoint, "/" + endpoint)
    connection = rp.connect()
    connection.request("POST" if endpoint == "token" else "GET", path,
                       headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert rp.control("wait", path=path)["reached"]
    log = rp.get("/control/log").json()
    assert [r["status"] for r in log["requests"] if r["path"] == path] == [None]
    rp.misbehave(**{name: False})
    assert connection.getresponse().status in (200, 400, 401)
    connection.close()


def is_slow(rp, endpoint, name):
    rp.misbehave(**{name: 200})
    before = time.monotonic()
    ask(rp, endpoint)
    assert time.monotonic() - before >= 0.2


def drips(rp, endpoint, name):
    rp.misbehave(**{name: 1})
    answer = ask(rp, endpoint)
    assert answer.json() and answer.headers["Connection"] == "close"


DELIVERIES = {
    "500": answers(lambda a: a.status == 500),
    "hang": hangs,
    "slow": is_slow,
    "garbage": answers(is_not_json),
    "blank": answers(lambda a: a.body == b""),
    "not_object": answers(lambda a: isinstance(a.json(), list)),
    "huge": answers(lambda a: len(a.json()["padding"]) == 100000, 100000),
    "redirect": answers(lambda a: a.status == 307 and a.headers["Location"] == "/trap"),
    "wrong_type": answers(lambda a: a.headers["Content-Type"] == "text/html" and a.json()),
    "error": answers(lambda a: a.status == 400 and a.json() == {"error": "invalid_grant"}),
    "cut": fails_with(http.client.IncompleteRead),
    "close": fails_with(http.client.RemoteDisconnected),
    "drip": drips,
}


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("endpoint", bad_answers.ENDPOINTS)
def test_delivery_is_wrong_until_it_is_turned_off(rp, endpoint, delivery):
    name = f"{endpoint}_{delivery}"
    rp.misbehave(**{name: True})
    DELIVERIES[delivery](rp, endpoint, name)
    rp.misbehave(**{name: False})
    assert ask(rp, endpoint).status == (401 if endpoint == "userinfo" else 200)
