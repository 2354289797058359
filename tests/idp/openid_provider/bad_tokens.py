# SPDX-License-Identifier: Apache-2.0
"""The switches that spoil an ID token. Each takes a Draft (see tokens.py) and bends one step.

Order matters where several are on: claims first, then the header, the signature, the text.
"""

import hashlib
import hmac
import json

from .switches import Switch
from .tokens import b64url, compact_json

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STRANGER = "somebody-else"
FOREIGN_ISSUER = "https://accounts.example.test"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
HUGE_MAX = 1024 * 1024
DEPTH_MAX = 10000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _set(**claims):
    def apply(token, _):
        token.claims.update(claims)
    return apply


def _drop(*names):
    def apply(token, _):
        for name in names:
            token.claims.pop(name, None)
    return apply


def _from_now(name, offset_s):
    def apply(token, _):
        token.claims[name] = token.now + offset_s
    return apply


def _header(**members):
    def apply(token, _):
        token.header.update(members)
    return apply


def _finish(step):
    def apply(token, _):
        token.finish.append(step)
    return apply


def _slash_iss(token, _):
    token.claims["iss"] += "/"


def _add_audience(token, _):
    token.claims["aud"] = [token.claims["aud"], STRANGER]


def _azp_other(token, _):
    _add_audience(token, None)
    token.claims["azp"] = STRANGER


def _expired(token, _):
    token.claims.update(iat=token.now - 2 * HOUR_S, exp=token.now - HOUR_S)


def _exp_text(token, _):
    token.claims["exp"] = str(token.claims["exp"])


def _exp_overflow(token, _):
    encode, exp = token.encode, compact_json(token.claims["exp"])
    token.encode = lambda claims: encode(claims).replace(b'"exp":' + exp, b'"exp":1e400')


def _duplicate_sub(token, _):
    encode = token.encode
    token.encode = lambda claims: encode(claims)[:-1] + b',"sub":"' + STRANGER.encode() + b'"}'


def _not_utf8(token, _):
    encode = token.encode
    token.encode = lambda claims: encode(claims)[:-1] + b',"x":"\xff\xfe"}'


def _not_json(token, _):
    token.encode = lambda claims: b"sub=" + str(claims.get("sub")).encode()


def _deep(token, depth):
    encode = token.encode
    nest = b"[" * depth + b"]" * depth
    token.encode = lambda claims: encode(claims)[:-1] + b',"x":' + nest + b"}"


def _huge(token, size):
    token.claims["x"] = "x" * size


def _logout_token(token, _):
    token.header["typ"] = "logout+jwt"
    token.claims.pop("nonce", None)
    token.claims["events"] = {LOGOUT_EVENT: {}}


def _unsigned(alg):
    def apply(token, _):
        token.header["alg"] = alg
        token.sign = lambda data: b""
    return apply


def _hmac_with(token, secret):
    token.header["alg"] = "HS256"
    token.sign = lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def _hs256_public_key(token, _):
    _hmac_with(token, token.key.public_pem())


def _hs256_client_secret(token, _):
    _hmac_with(token, token.client_secret.encode())


def _alg_swapped(token, _):
    token.header["alg"] = {"ES256": "RS256", "RS256": "ES256"}[token.key.alg]


def _missing_kid(token, _):
    token.header.pop("kid", None)


def _kid_number(token, _):
    token.header["kid"] = 7


def _rogue(token):
    return token.ring.rogue(token.key.alg)


def _same_kid_other_key(token, _):
    token.use_key(_rogue(token))


def _unknown_kid(token, _):
    token.use_key(_rogue(token))
    token.header["kid"] = _rogue(token).kid


def _jwk_header(token, _):
    token.use_key(_rogue(token))
    token.header.update(jwk=_rogue(token).public_jwk(), kid=_rogue(token).kid)


def _jku_header(token, _):
    token.use_key(_rogue(token))
    token.header.update(jku=token.claims.get("iss", "") + "/trap/jwks", kid=_rogue(token).kid)


def _crit_unknown(token, _):
    token.header.update({"crit": ["urn:example:unknown"], "urn:example:unknown": True})


def _b64_false(token, _):
    token.header.update(crit=["b64"], b64=False)


def _duplicate_alg(token, _):
    encode = token.encode_header
    token.encode_header = lambda header: encode(header)[:-1] + b',"alg":"none"}'


def _tampered(token, _):
    claims = {**token.claims, "sub": STRANGER}

    def replace(text):
        head, _, signature = text.split(".")
        return f"{head}.{b64url(compact_json(claims))}.{signature}"
    token.finish.append(replace)


def _signature_der(token, _):
    # RSA has one encoding only: there the signature gets the DER tag in front and is as wrong.
    key = token.key
    token.sign = key.sign_der if key.alg == "ES256" else lambda data: b"\x30" + key.sign(data)


def _signature_zero(token, _):
    sign = token.sign
    token.sign = lambda data: bytes(len(sign(data)))


def _signature_short(token, _):
    sign = token.sign
    token.sign = lambda data: sign(data)[:-1]


def _signature_empty(token, _):
    token.sign = lambda data: b""


def _trailing_bits(text):
    """The same bytes in another base64url text: the last character has unused bits."""
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) | 1]


def _flattened(text):
    head, payload, signature = text.split(".")
    return json.dumps({"protected": head, "payload": payload, "signature": signature})


TABLE = [Switch(name, "id_token", *rest) for name, *rest in (
    ("wrong_iss", "iss is another provider's", _set(iss=FOREIGN_ISSUER)),
    ("iss_slash", "iss has a slash at its end", _slash_iss),
    ("missing_iss", "no iss", _drop("iss")),
    ("wrong_aud", "aud is another client", _set(aud=STRANGER)),
    ("extra_aud", "aud lists another client too, without azp", _add_audience),
    ("missing_aud", "no aud", _drop("aud")),
    ("azp_other", "aud lists both, azp is the other client", _azp_other),
    ("wrong_nonce", "nonce is not the one that was asked for", _set(nonce="not-yours")),
    ("missing_nonce", "no nonce", _drop("nonce")),
    ("missing_sub", "no sub", _drop("sub")),
    ("empty_sub", "sub is the empty string", _set(sub="")),
    ("number_sub", "sub is a number", _set(sub=12345)),
    ("long_sub", "sub has 256 characters, one more than Core allows", _set(sub="s" * 256)),
    ("control_sub", "sub holds an escape sequence and a new line", _set(sub="a\x1b[31m\nb")),
    ("duplicate_sub", "the payload has two sub members, the second a stranger's", _duplicate_sub),
    ("expired", "exp was an hour ago", _expired),
    ("missing_exp", "no exp", _drop("exp")),
    ("exp_text", "exp is a string", _exp_text),
    ("exp_overflow", "exp is 1e400", _exp_overflow),
    ("exp_negative", "exp is -1", _set(exp=-1)),
    ("iat_future", "iat is an hour ahead", _from_now("iat", HOUR_S)),
    ("iat_old", "iat was a day ago, though exp is ahead", _from_now("iat", -DAY_S)),
    ("missing_iat", "no iat", _drop("iat")),
    ("nbf_future", "nbf is an hour ahead", _from_now("nbf", HOUR_S)),
    ("auth_time_old", "auth_time was a day ago", _from_now("auth_time", -DAY_S)),
    ("missing_auth_time", "no auth_time", _drop("auth_time")),
    ("wrong_at_hash", "at_hash belongs to another access token", _set(at_hash=b64url(bytes(16)))),
    ("logout_token", "a logout token: typ logout+jwt, events, no nonce", _logout_token),
    ("huge_claim", "one claim has this many characters", _huge, 128 * 1024, HUGE_MAX),
    ("deep_claim", "one claim nests this many arrays", _deep, 1000, DEPTH_MAX),
    ("not_utf8", "the payload has bytes that are not UTF-8", _not_utf8),
    ("not_json", "the payload is not JSON", _not_json),
    ("missing_kid", "no kid in the header", _missing_kid),
    ("kid_path", "kid is a path to climb out by", _header(kid="../../../../dev/null")),
    ("kid_number", "kid is a number", _kid_number),
    ("crit_unknown", "crit names an extension that nobody knows", _crit_unknown),
    ("b64_false", "b64 false with crit, which a JWT must not have", _b64_false),
    ("typ_other", "typ is another kind of token", _header(typ="at+jwt")),
    ("duplicate_alg", "the header has two alg members, the second none", _duplicate_alg),
    ("alg_none", "alg none, no signature", _unsigned("none")),
    ("alg_none_mixed", "alg nOnE, no signature", _unsigned("nOnE")),
    ("hs256_public_key", "HS256 with the public key's PEM as its secret", _hs256_public_key),
    ("hs256_client_secret", "HS256 with the client secret", _hs256_client_secret),
    ("alg_swapped", "alg names the other algorithm than the key's", _alg_swapped),
    ("unknown_kid", "signed with an unpublished key, under that key's kid", _unknown_kid),
    ("same_kid_other_key", "signed with an unpublished key, under the known kid",
     _same_kid_other_key),
    ("jwk_header", "signed with a key that the header itself brings", _jwk_header),
    ("jku_header", "signed with an unpublished key; jku points to /trap/jwks", _jku_header),
    ("tampered", "sub was changed after signing", _tampered),
    ("signature_der", "the ECDSA signature is DER, not r and s", _signature_der),
    ("signature_zero", "the signature is all zero bytes", _signature_zero),
    ("signature_short", "the signature lacks its last byte", _signature_short),
    ("signature_empty", "the signature is empty, though alg says otherwise", _signature_empty),
    ("trailing_bits", "the last character has bits that base64url must leave zero",
     _finish(_trailing_bits)),
    ("padded", "an = follows the signature", _finish(lambda text: text + "=")),
    ("newline", "a new line stands in the middle of the payload",
     _finish(lambda text: text[:len(text) // 2] + "\n" + text[len(text) // 2:])),
    ("five_parts", "two more parts, as if encrypted", _finish(lambda text: text + ".AA.AA")),
    ("flattened", "JSON serialization instead of the compact one", _finish(_flattened)),
)]


def spoil(token, pairs):
    """Apply (switch, argument) pairs in the order of the table."""
    order = {switch.name: place for place, switch in enumerate(TABLE)}
    for switch, argument in sorted(pairs, key=lambda pair: order[pair[0].name]):
        switch.apply(token, argument)
