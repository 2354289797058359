# SPDX-License-Identifier: Apache-2.0
"""How one provider differs from the standard: its paths, the claims of its tokens, the words of its errors.

The provider itself (clients, people, codes, keys, switches, the control API) is one for all.
"""

from . import authorize, exchange, metadata


class Dialect:
    """The standard. A vendor's dialect changes what it does in its own way."""

    name = "openid"
    algorithms = ("ES256", "RS256")
    sends_iss = True           # RFC 9207
    has_at_hash = True
    id_token_lifetime_s = 300
    routes = {
        ("GET", "/.well-known/openid-configuration"): metadata.discovery,
        ("GET", "/jwks"): metadata.jwks,
        ("GET", "/authorize"): authorize.authorize,
        ("POST", "/authorize"): authorize.authorize,
        ("POST", "/token"): exchange.token,
        ("GET", "/userinfo"): exchange.userinfo,
        ("POST", "/userinfo"): exchange.userinfo,
    }

    def route(self, method, path):
        """The function of a request, or None."""
        return self.routes.get((method, path))

    def issuer(self, provider, person):
        """`iss` of a token."""
        return provider.issuer

    def claims(self, provider, client_id, person, user):
        """What a token says of a person; `user` is None where a test named a bare sub."""
        return person

    def header(self, key):
        return {"alg": key.alg, "kid": key.kid, "typ": "JWT"}

    def published(self, provider, key):
        """One member of the key set."""
        return key.public_jwk()

    def callback(self, fields, members):
        """Members of the authorization response."""
        return members

    def token_members(self, provider, grant, members):
        """The answer of the token endpoint."""
        return members

    def token_error(self, code, description, status):
        """(members, status) of a refusal of the token endpoint, RFC 6749 section 5.2."""
        return {"error": code, "error_description": description}, status
