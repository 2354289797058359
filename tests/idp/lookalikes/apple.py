# SPDX-License-Identifier: Apache-2.0
"""Sign in with Apple: appleid.apple.com.

The client's secret is a JWT that the developer signs; the code comes back in a form that is posted across sites; a person has
one sub for each developer team; addresses may be relays; booleans of a token may be text. There is no UserInfo.
"""

import base64
import hashlib
import html
import json

from jwcrypto import jwk, jws

from openid_provider import bad_tokens, tokens
from openid_provider.keys import SigningKey
from openid_provider.server import Response, json_response
from openid_provider.switches import Switches
from . import keys
from .host import CODE_S, Code, Host, Refusal, compact, page, token

SECRET_MAX_S = 15777000  # six months
TOKEN_S = 86400
TRANSFER_S = 60 * 86400


class _Ring:
    """What the spoilers of ID tokens ask for."""

    def __init__(self, key):
        self._key, self._other = key, SigningKey("RS256", keys.STRANGER)

    def current(self, _):
        return self._key

    def rogue(self, _):
        return self._other


class Apple(Host):
    routes = {
        ("GET", "/.well-known/openid-configuration"): "discovery",
        ("GET", "/auth/keys"): "keys",
        ("GET", "/auth/authorize"): "authorize",
        ("POST", "/auth/token"): "token",
        ("POST", "/auth/usermigrationinfo"): "migration",
    }
    spoilt = ("/auth/token", "/auth/usermigrationinfo")
    bad_tokens = {switch.name: switch for switch in bad_tokens.TABLE}
    switches = frozenset(bad_tokens) | {
        "booleans",            # true and false as JSON has them, not as text
        "odd_email_verified",  # this value
        "odd_is_private_email",
        "no_email",
        "transfer_number", "transfer_missing", "transfer_other",
        "error",               # this error of /auth/token
    }

    def __init__(self, context):
        super().__init__(context)
        self.signing = SigningKey("RS256", keys.APPLE, "fh6Bs8C")
        self.ring = _Ring(self.signing)
        self.teams = {}
        self.clients = {}
        self.codes = {}
        self.access = {}
        self.seen = set()
        self.relays = set()
        self.transferred = {}

    def team(self, team_id):
        """A developer team with one key; gives (key id, the .p8 as text)."""
        made = SigningKey.generate("ES256")
        key_id = made.kid[:10].upper().replace("-", "A").replace("_", "B")
        self.teams.setdefault(team_id, {})[key_id] = made
        return key_id, made.jwk.export_to_pem(private_key=True, password=None).decode()

    def client(self, client_id, team_id, *redirect_uris):
        """A Services ID (with redirect URIs) or the bundle id of an app (without)."""
        self.clients[client_id] = (team_id, redirect_uris)

    def transfer(self, client_id, to_team):
        """The app goes to another team, and its users get other subs."""
        team, uris = self.clients[client_id]
        self.clients[client_id] = (to_team, uris)
        self.transferred[client_id] = (team, to_team, self.now())

    @staticmethod
    def sub(person, team_id):
        digest = hashlib.sha256(f"{person}\0{team_id}".encode()).hexdigest()
        return f"00{int(digest[:4], 16) % 10000:04d}.{digest[4:36]}.{int(digest[36:40], 16) % 10000:04d}"

    @staticmethod
    def transfer_sub(person, from_team, to_team):
        digest = hashlib.sha256(f"{person}\0{from_team}\0{to_team}".encode()).hexdigest()
        return f"00{digest[:4]}.r{digest[4:40]}"

    def hide(self, person):
        """This person chose Hide My Email."""
        self.relays.add(person)

    def native_code(self, person, client_id, nonce):
        code = "c" + token("", 24) + ".0.rrtx"
        self.codes[code] = Code(person, client_id, self.now(), nonce=nonce, redirect_uri=None)
        return code

    def id_token(self, person, client_id, nonce, **overrides):
        """What an app gets on the device."""
        self.seen.add((person, client_id))
        return self._id_token(person, client_id, nonce, {"real_user_status": 2, **overrides}, {})

    # ---- endpoints ----

    def discovery(self, _, __):
        return json_response({
            "issuer": self.url,
            "authorization_endpoint": self.url + "/auth/authorize",
            "token_endpoint": self.url + "/auth/token",
            "revocation_endpoint": self.url + "/auth/revoke",
            "jwks_uri": self.url + "/auth/keys",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "name"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "is_private_email", "iss", "nonce",
                                 "nonce_supported", "real_user_status", "sub", "transfer_sub"],
        })

    def keys(self, _, __):
        return json_response({"keys": [self.signing.public_jwk()]})

    def authorize(self, fields, _):
        known = self.clients.get(fields.get("client_id", ""))
        uri = fields.get("redirect_uri", "")
        if known is None:
            return page("invalid_client", 400)
        if uri not in known[1]:
            return page("invalid_request: Invalid web redirect url.", 400)
        scopes = fields.get("scope", "").split()
        if {"name", "email"} & set(scopes) and fields.get("response_mode") != "form_post":
            return page("invalid_request: response_mode must be form_post when name or email scope is requested.", 400)
        if fields.get("response_type") != "code" or not set(scopes) <= {"openid", "name", "email"}:
            return page("invalid_request", 400)
        person = fields.get("as")
        if person is None:
            return page("Sign in with your Apple Account")
        if person == "":
            return self._form(uri, error="user_cancelled_authorize", state=fields.get("state"))
        code = self.native_code(person, fields["client_id"], fields.get("nonce"))
        self.codes[code].redirect_uri = uri
        return self._form(uri, state=fields.get("state"), code=code,
                          user=self._user(person, fields["client_id"], scopes))

    def _user(self, person, client_id, scopes):
        """Sent once in a person's life with this app, and not signed."""
        if (person, client_id) in self.seen or "name" not in scopes:
            return None
        self.seen.add((person, client_id))
        return compact({"name": {"firstName": person, "lastName": "<script>"}, "email": self._email(person)})

    @staticmethod
    def _form(uri, **fields):
        inputs = "".join(f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
                         for name, value in fields.items() if value is not None)
        return Response(200, f'<form method="post" action="{html.escape(uri)}">{inputs}</form>'.encode(),
                        "text/html;charset=UTF-8")

    def _email(self, person):
        return f"{hashlib.sha256(person.encode()).hexdigest()[:10]}@privaterelay.appleid.com" if person in self.relays \
            else f"{person}@example.com"

    @staticmethod
    def _error(code, description=None, status=400):
        answer = {"error": code}
        if description is not None:
            answer["error_description"] = description
        raise Refusal(json_response(answer, status))

    def _client(self, fields):
        """The secret is a JWT of the team's key, for this client, not too long, not over."""
        client_id = fields.get("client_id", "")
        known = self.clients.get(client_id)
        try:
            signed = jws.JWS()
            signed.deserialize(fields.get("client_secret", ""))
            header = signed.jose_header
            claims = json.loads(signed.objects["payload"])
        except Exception:  # of whatever makes it no JWT
            self._error("invalid_client")
        # Either team of an app that moved may still speak for it, while its users move.
        moved = self.transferred.get(client_id)
        teams = {known[0], *((moved[0],) if moved else ())} if known else set()
        key = self.teams.get(claims.get("iss"), {}).get(header.get("kid"))
        if known is None or claims.get("iss") not in teams or key is None or header.get("alg") != "ES256":
            self._error("invalid_client")
        try:
            signed.allowed_algs = ["ES256"]
            signed.verify(jwk.JWK(**key.jwk.export_public(as_dict=True)))
        except Exception:  # jwcrypto has many ways to refuse
            self._error("invalid_client")
        now, iat, exp = self.now(), claims.get("iat"), claims.get("exp")
        if claims.get("sub") != client_id or claims.get("aud") != self.url or not isinstance(exp, int) or \
           not isinstance(iat, int) or not iat <= now + 60 or not now < exp <= now + SECRET_MAX_S + 60:
            self._error("invalid_client")
        return client_id, claims["iss"]

    def token(self, fields, _):
        client_id, team = self._client(fields)
        if self.wrong("error"):
            self._error(self.wrong("error"))
        if fields.get("grant_type") == "client_credentials":
            if fields.get("scope") != "user.migration":
                self._error("invalid_scope")
            access = token("a")
            self.access[access] = (client_id, team)
            return json_response({"access_token": access, "token_type": "Bearer", "expires_in": 3600})
        if fields.get("grant_type") != "authorization_code":
            self._error("unsupported_grant_type")
        code = self.codes.get(fields.get("code", ""))
        if code is None or code.app != client_id:
            self._error("invalid_grant", "The code has expired or has been revoked.")
        if code.used or self.now() - code.made > CODE_S:
            self._error("invalid_grant", "The code has expired or has been revoked.")
        if code.redirect_uri != fields.get("redirect_uri"):
            self._error("invalid_grant", "The redirect_uri does not match.")
        code.used = True
        access = token("a")
        return json_response({"access_token": access, "token_type": "Bearer", "expires_in": 3600,
                              "refresh_token": token("r"),
                              "id_token": self._id_token(code.person, client_id, code.nonce, {}, self._wrong, access)})

    def _id_token(self, person, client_id, nonce, overrides, wrong, access=None):
        now, (team, _) = self.now(), self.clients[client_id]
        text = (lambda v: v) if wrong.get("booleans") else (lambda v: "true" if v else "false")
        claims = {"iss": self.url, "aud": client_id, "exp": now + TOKEN_S, "iat": now, "sub": self.sub(person, team),
                  "email": self._email(person), "email_verified": text(True), "auth_time": now,
                  "nonce_supported": True}
        if nonce is not None:
            claims["nonce"] = nonce
        if person in self.relays:
            claims["is_private_email"] = text(True)
        if access is not None:
            claims["at_hash"] = tokens.half_hash(access)
        moved = self.transferred.get(client_id)
        if moved is not None and now - moved[2] <= TRANSFER_S:
            claims["transfer_sub"] = self.transfer_sub(person, moved[0], moved[1])
        if "odd_email_verified" in wrong:
            claims["email_verified"] = wrong["odd_email_verified"]
        if "odd_is_private_email" in wrong:
            claims["is_private_email"] = wrong["odd_is_private_email"]
        if wrong.get("no_email"):
            del claims["email"], claims["email_verified"]
        made = tokens.Draft({"kid": self.signing.kid, "alg": "RS256"}, tokens.merge(claims, overrides), self.signing,
                            self.ring, now, sign=self.signing.sign)
        bad_tokens.spoil(made, [(self.bad_tokens[name], self.bad_tokens[name].argument(value))
                                for name, value in wrong.items() if name in self.bad_tokens])
        return tokens.seal(made)

    # ---- an app that goes to another team ----

    def _people(self, client_id):
        return {code.person for code in self.codes.values() if code.app == client_id} | \
            {person for person, client in self.seen if client == client_id}

    def migration(self, fields, request):
        client_id, team = self._client(fields)
        scheme, _, access = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self.access.get(access) != (client_id, team):
            self._error("invalid_client", "The access token is not valid.", 401)
        moved = self.transferred.get(client_id)
        if moved is None:
            self._error("invalid_request", "The app was not transferred.")
        if "target" in fields:
            for person in self._people(client_id):
                if team == moved[0] and fields["target"] == moved[1] and fields.get("sub") == self.sub(person, team):
                    return json_response({"transfer_sub": self.transfer_sub(person, moved[0], moved[1])})
            self._error("invalid_request", "The sub is not known.")
        if self.now() - moved[2] > TRANSFER_S:
            self._error("invalid_request", "The period of the transfer is over.")
        for person in self._people(client_id):
            if team == moved[1] and fields.get("transfer_sub") == self.transfer_sub(person, moved[0], moved[1]):
                return json_response(self._migrated(person, team))
        self._error("invalid_request", "The transfer_sub is not known.")

    def _migrated(self, person, team):
        answer = {"sub": self.sub("mallory" if self.wrong("transfer_other") else person, team),
                  "email": self._email(person), "is_private_email": person in self.relays}
        if self.wrong("transfer_number"):
            answer["sub"] = 42
        if self.wrong("transfer_missing"):
            del answer["sub"]
        return answer
