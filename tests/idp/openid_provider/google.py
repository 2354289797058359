# SPDX-License-Identifier: Apache-2.0
"""Sign in with Google, as a relying party sees it: three hosts of Google's are one here, the paths are Google's.

What is the vendor's: paths, `iss` and its two spellings, `azp` always, `hd` of Workspace accounts, 21 digits of `sub`,
an hour's lifetime, no auth_time, RS256 with kids of 40 hexadecimal digits, callbacks with scope and authuser, refusals.
"""

import hashlib

from . import authorize, exchange, metadata
from .dialect import Dialect

ISSUER = "https://accounts.google.com"


class Google(Dialect):
    name = "google"
    algorithms = ("RS256",)
    sends_iss = False  # of its own spelling, below
    id_token_lifetime_s = 3600
    routes = {
        ("GET", "/o/oauth2/v2/auth"): authorize.authorize,
        ("POST", "/o/oauth2/v2/auth"): authorize.authorize,
        ("POST", "/token"): exchange.token,
        ("GET", "/oauth2/v3/certs"): metadata.jwks,
    }

    def issuer(self, provider, person):
        return ISSUER

    def claims(self, provider, client_id, person, user):
        number = int(hashlib.sha256(person["sub"].encode()).hexdigest(), 16) % 10**20
        given = {"azp": client_id, "auth_time": None, "amr": None, **person}
        if user is not None:
            given.update(sub=person["sub"] if person["sub"].isdigit() else f"1{number:020}",
                         given_name=user, picture="https://lh3.googleusercontent.com/a/default")
        return given

    def header(self, key):
        return {"alg": key.alg, "kid": self._kid(key), "typ": "JWT"}

    def published(self, provider, key):
        return {**key.public_jwk(), "kid": self._kid(key)}

    @staticmethod
    def _kid(key):
        return hashlib.sha1(key.kid.encode()).hexdigest()

    def callback(self, fields, members):
        if "code" in members:
            members = {**members, "scope": "email openid https://www.googleapis.com/auth/userinfo.email",
                       "authuser": "0", "prompt": "none"}
        return {"iss": ISSUER, **members}

    def token_error(self, code, description, status):
        texts = {"invalid_client": "Unauthorized", "invalid_grant": "Malformed auth code."}
        return {"error": code, "error_description": texts.get(code, "Bad Request")}, status
