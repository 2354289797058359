# SPDX-License-Identifier: Apache-2.0
"""The switches that spoil what the endpoints answer: what they say, and how it is delivered."""

import dataclasses
import json
import threading

from .bad_tokens import FOREIGN_ISSUER, STRANGER
from .keys import ALGORITHMS, KeyRing
from .server import HANG_MAX_S, Request, Response, json_response
from .switches import Switch
from .tokens import b64url

HUGE_DEFAULT = 4 * 1024 * 1024
HUGE_MAX = 64 * 1024 * 1024
SLOW_MAX_MS = 60 * 1000
KEYS_MAX = 5000


@dataclasses.dataclass
class Document:
    """A JSON answer on its way out, with the keys that a key set may borrow from."""

    members: dict
    ring: KeyRing


@dataclasses.dataclass
class Exchange:
    """A request with its honest answer, which a switch may replace or hold back."""

    request: Request
    response: Response
    released: threading.Event


# What documents say.

def _member(**members):
    def apply(document, _):
        document.members.update(members)
    return apply


def _without(name):
    def apply(document, _):
        document.members.pop(name, None)
    return apply


def _issuer_slash(document, _):
    document.members["issuer"] += "/"


def _plain_http(document, _):
    for name in ("token_endpoint", "jwks_uri"):
        document.members[name] = document.members[name].replace("https:", "http:", 1)


def _foreign_endpoints(document, _):
    for name in ("token_endpoint", "jwks_uri"):
        document.members[name] = f"{FOREIGN_ISSUER}/{name}"


def _only_weak_algs(document, _):
    document.members["id_token_signing_alg_values_supported"] = ["none", "HS256"]


def _duplicate_kid(document, _):
    doubles = [document.ring.rogue(key["alg"]).public_jwk() | {"kid": key["kid"]}
               for key in document.members["keys"]]
    document.members["keys"] = doubles + document.members["keys"]


def _private_keys(document, _):
    document.members["keys"] = [document.ring.current(alg).private_jwk() for alg in ALGORITHMS]


def _symmetric_key(document, _):
    secret = b64url(b"a secret that everybody can read")
    document.members["keys"].append({"kty": "oct", "k": secret, "kid": "shared", "alg": "HS256"})


def _each_key(**members):
    def apply(document, _):
        for key in document.members["keys"]:
            key.update(members)
    return apply


def _keys_without(name):
    def apply(document, _):
        for key in document.members["keys"]:
            key.pop(name, None)
    return apply


def _many_keys(document, count):
    first = document.members["keys"][0]
    fillers = [{**first, "kid": f"filler-{number}"} for number in range(count)]
    document.members["keys"] = fillers + document.members["keys"]


def _other_keys(document, _):
    document.members["keys"] = [document.ring.rogue(alg).public_jwk() for alg in ALGORITHMS]


# What the authorization response says: Document.members holds its parameters.

def _authorize_error(document, code):
    document.members.pop("code", None)
    document.members["error"] = code


def _duplicate_code(document, _):
    document.members["code"] = [document.members.get("code", ""), STRANGER]


# How answers are delivered.

def _status_500(exchange, _):
    exchange.response = json_response({"error": "server_error"}, 500)


def _hang(exchange, _):
    if not exchange.request.hang(exchange.released, HANG_MAX_S):
        exchange.response.delivery = "nothing"


def _slow(exchange, delay_ms):
    exchange.request.hang(threading.Event(), delay_ms / 1000)


def _garbage(exchange, _):
    exchange.response.body = b"\x00\xff<html>{]" * 16


def _blank(exchange, _):
    exchange.response.body = b""


def _not_object(exchange, _):
    exchange.response.body = b"[" + exchange.response.body + b"]"


def _huge(exchange, size):
    # Still good JSON, with all that belongs there: only a cap on the size can refuse it.
    padding = b'"padding":"' + b"x" * size + b'",'
    exchange.response.body = b"{" + padding + exchange.response.body[1:]


def _redirect(exchange, location):
    exchange.response = Response(307, headers={"Location": location})


def _wrong_type(exchange, _):
    exchange.response.content_type = "text/html"


def _error(exchange, code):
    exchange.response = json_response({"error": code}, 400)


def _delivery(how):
    def apply(exchange, _):
        exchange.response.delivery = how
    return apply


def _drip(exchange, pause_ms):
    exchange.response.delivery = "drip"
    exchange.response.pause_s = pause_ms / 1000


CONTENTS = (
    ("discovery_wrong_issuer", "discovery", "issuer is another provider's",
     _member(issuer=FOREIGN_ISSUER)),
    ("discovery_issuer_slash", "discovery", "issuer has a slash at its end", _issuer_slash),
    ("discovery_missing_issuer", "discovery", "no issuer", _without("issuer")),
    ("discovery_missing_jwks_uri", "discovery", "no jwks_uri", _without("jwks_uri")),
    ("discovery_missing_token_endpoint", "discovery", "no token_endpoint",
     _without("token_endpoint")),
    ("discovery_http_endpoint", "discovery", "token_endpoint and jwks_uri are plain http",
     _plain_http),
    ("discovery_foreign_endpoints", "discovery", "token_endpoint and jwks_uri on another host",
     _foreign_endpoints),
    ("discovery_file_jwks_uri", "discovery", "jwks_uri is a file: URL",
     _member(jwks_uri="file:///etc/hostname")),
    ("discovery_no_iss_support", "discovery",
     "does not promise iss in the authorization response (RFC 9207)",
     _member(authorization_response_iss_parameter_supported=False)),
    ("discovery_no_pkce", "discovery", "does not list PKCE methods",
     _without("code_challenge_methods_supported")),
    ("discovery_weak_algs", "discovery", "offers none and HS256 only", _only_weak_algs),
    ("jwks_empty", "jwks", "a key set without keys", _member(keys=[])),
    ("jwks_missing_keys", "jwks", "no keys member", _without("keys")),
    ("jwks_duplicate_kid", "jwks", "each kid stands twice, first with a stranger's key",
     _duplicate_kid),
    ("jwks_private_keys", "jwks", "the keys are published with their private parts",
     _private_keys),
    ("jwks_symmetric_key", "jwks", "an HS256 secret stands among the keys", _symmetric_key),
    ("jwks_other_keys", "jwks", "keys that sign nothing, under other kids", _other_keys),
    ("jwks_wrong_use", "jwks", "the keys are for encryption", _each_key(use="enc")),
    ("jwks_wrong_alg", "jwks", "the keys are for ES512", _each_key(alg="ES512")),
    ("jwks_no_kid", "jwks", "the keys have no kid", _keys_without("kid")),
    ("jwks_many_keys", "jwks", "this many other keys come first", _many_keys, 200, KEYS_MAX),
    ("authorize_omit_iss", "authorize", "no iss in the response", _without("iss")),
    ("authorize_wrong_iss", "authorize", "iss is another provider's (mix-up)",
     _member(iss=FOREIGN_ISSUER)),
    ("authorize_omit_state", "authorize", "no state", _without("state")),
    ("authorize_wrong_state", "authorize", "state is not the one that was sent",
     _member(state="not-yours")),
    ("authorize_omit_code", "authorize", "no code", _without("code")),
    ("authorize_wrong_code", "authorize", "a code that was never given",
     _member(code="not-a-code")),
    ("authorize_duplicate_code", "authorize", "code stands twice", _duplicate_code),
    ("authorize_error", "authorize", "this error instead of a code", _authorize_error,
     "access_denied"),
    ("token_missing_id_token", "token", "no id_token", _without("id_token")),
    ("token_missing_access_token", "token", "no access_token", _without("access_token")),
    ("token_wrong_token_type", "token", "token_type is mac", _member(token_type="mac")),
    ("userinfo_wrong_sub", "userinfo", "sub is a stranger's", _member(sub=STRANGER)),
    ("userinfo_missing_sub", "userinfo", "no sub", _without("sub")),
)

DELIVERIES = (
    ("500", "answers 500", _status_500),
    ("hang", f"no answer until this is turned off, or {HANG_MAX_S} s", _hang),
    ("slow", "answers after this many milliseconds", _slow, 500, SLOW_MAX_MS),
    ("garbage", "bytes that are not JSON", _garbage),
    ("blank", "an empty body", _blank),
    ("not_object", "JSON, but an array", _not_object),
    ("huge", "the honest answer with this many bytes of padding", _huge, HUGE_DEFAULT, HUGE_MAX),
    ("redirect", "redirects (307) to this place", _redirect, "/trap"),
    ("wrong_type", "the honest answer as text/html", _wrong_type),
    ("error", "400 with this error code", _error, "invalid_grant"),
    ("cut", "ends one byte before the Content-Length", _delivery("cut")),
    ("close", "closes the connection without a reply", _delivery("nothing")),
    ("drip", "a byte each time this many milliseconds have passed", _drip, 100, SLOW_MAX_MS),
)

ENDPOINTS = ("discovery", "jwks", "token", "userinfo")

TABLE = [Switch(*row) for row in CONTENTS] + [
    Switch(f"{endpoint}_{name}", f"{endpoint}_reply", text, apply, *argument)
    for endpoint in ENDPOINTS for name, text, apply, *argument in DELIVERIES]
