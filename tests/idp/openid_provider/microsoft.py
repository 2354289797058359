# SPDX-License-Identifier: Apache-2.0
"""Microsoft's identity platform, version 2.0, as a relying party sees it. One tenant unless a user's claims name another.

What is the vendor's: paths that begin with a tenant, metadata whose issuer is a template, `iss` with the person's own
tenant, `tid`, `oid` and a pairwise `sub`, `nbf`, 65 minutes of lifetime, addresses that nobody verified, keys that name
their issuer and no algorithm, callbacks with session_state and without iss, refusals with AADSTS numbers.
"""

import base64
import hashlib
import re
import time
import uuid

from . import authorize, exchange, metadata
from .dialect import Dialect

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
NUMBERS = {"invalid_grant": 70008, "invalid_client": 7000215, "invalid_request": 900144,
           "unsupported_grant_type": 70003}
PATH = re.compile(r"/[A-Za-z0-9.-]+(/oauth2/v2\.0/authorize|/oauth2/v2\.0/token|/discovery/v2\.0/keys|"
                  r"/v2\.0/\.well-known/openid-configuration)")


def _discovery(provider, request):
    base = f"{provider.issuer}/{request.path.split('/')[1]}"
    return provider.answer("discovery", request, {
        "issuer": provider.issuer + "/{tenantid}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token", "code id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "cloud_instance_name": "microsoftonline.com",
    })


class Microsoft(Dialect):
    name = "microsoft"
    algorithms = ("RS256",)
    sends_iss = False
    has_at_hash = False
    id_token_lifetime_s = 3900
    parts = {
        ("GET", "/oauth2/v2.0/authorize"): authorize.authorize,
        ("POST", "/oauth2/v2.0/authorize"): authorize.authorize,
        ("POST", "/oauth2/v2.0/token"): exchange.token,
        ("GET", "/discovery/v2.0/keys"): metadata.jwks,
        ("GET", "/v2.0/.well-known/openid-configuration"): _discovery,
    }
    routes = {}

    def __init__(self, key_issuer=None):
        """`key_issuer`: what keys name instead of every tenant of this authority."""
        self.key_issuer = key_issuer

    def route(self, method, path):
        found = PATH.fullmatch(path)
        return self.parts.get((method, found.group(1))) if found else None

    def issuer(self, provider, person):
        return f"{provider.issuer}/{person.get('tid', TENANT)}/v2.0"

    def claims(self, provider, client_id, person, user):
        tid = person.get("tid", TENANT)
        pairwise = hashlib.sha256(f"{client_id}\0{tid}\0{person['sub']}".encode()).digest()
        now = provider.clock.now()
        given = {"auth_time": None, "amr": None, "nbf": now, "tid": tid, "ver": "2.0",
                 "oid": str(uuid.uuid5(uuid.UUID(TENANT), f"{tid}/{person['sub']}")),
                 "uti": base64.urlsafe_b64encode(pairwise[:16]).rstrip(b"=").decode(),
                 **person, "email_verified": None,
                 "sub": base64.urlsafe_b64encode(pairwise).rstrip(b"=").decode()}
        if user is not None:
            given.setdefault("preferred_username", person.get("email"))
        return given

    def header(self, key):
        return {"typ": "JWT", "alg": key.alg, "kid": key.kid[:27]}

    def published(self, provider, key):
        members = {**key.public_jwk(), "kid": key.kid[:27], "x5t": key.kid[:27],
                   "issuer": self.key_issuer or provider.issuer + "/{tenantid}/v2.0",
                   "cloud_instance_name": "microsoftonline.com"}
        del members["alg"]
        return members

    def callback(self, fields, members):
        return {**members, "session_state": str(uuid.uuid4())}

    def token_members(self, provider, grant, members):
        return {**members, "ext_expires_in": members["expires_in"]}

    def token_error(self, code, description, status):
        number, trace = NUMBERS.get(code, 50000), str(uuid.uuid4())
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        return {
            "error": code,
            "error_description":
                f"AADSTS{number}: {description} Trace ID: {trace} Correlation ID: {trace} Timestamp: {at}",
            "error_codes": [number], "timestamp": at, "trace_id": trace, "correlation_id": trace,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }, status
