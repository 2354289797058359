# SPDX-License-Identifier: Apache-2.0
"""The token endpoint (RFC 6749 section 4.1.3, RFC 7636) and UserInfo (Core section 5.3)."""

import base64
import binascii
import hashlib
import re
import urllib.parse

from . import bad_tokens, tokens
from .server import json_response
from .state import ACCESS_TOKEN_LIFETIME_S, Refused

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1


class _Error(Exception):
    def __init__(self, code, description, status=400):
        super().__init__(description)
        self.code, self.status = code, status


def _basic_credentials(header):
    """(id, secret) of an Authorization header; both are form-encoded, RFC 6749 section 2.3.1."""
    scheme, _, value = header.partition(" ")
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if scheme.lower() != "basic" or ":" not in text:
        raise _Error("invalid_client", "the Authorization header is not Basic ID:SECRET", 401)
    client_id, _, secret = text.partition(":")
    return urllib.parse.unquote_plus(client_id), urllib.parse.unquote_plus(secret)


def _authenticate(provider, request, fields):
    header = request.headers.get("Authorization")
    client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if header is not None:
        if secret:
            raise _Error("invalid_request", "authenticate in one way: header or form, not both")
        named, secret = _basic_credentials(header)
        if client_id not in ("", named):
            raise _Error("invalid_request", "client_id differs from the Authorization header")
        client_id = named
    client = provider.clients.get(client_id)
    if client is None or not client.secret_matches(secret):
        raise _Error("invalid_client", "unknown client, or not its secret", 401)
    return client


def _challenge_of(verifier):
    if not VERIFIER.fullmatch(verifier):
        raise _Error("invalid_request", "code_verifier must be 43 to 128 unreserved characters")
    return tokens.b64url(hashlib.sha256(verifier.encode("ascii")).digest())


def _read(request):
    fields = request.form()
    doubled = [name for name, values in fields.items() if len(values) > 1]
    if doubled:
        raise _Error("invalid_request", f"{doubled[0]} stands more than once")
    return {name: values[0] for name, values in fields.items()}


def _id_token(provider, client, grant, access_token):
    claims = tokens.honest_claims(provider, client.id, provider.people.claims(grant.user), grant.user,
                                  grant.nonce)
    if "auth_time" in claims:
        claims["auth_time"] = grant.auth_time
    if provider.dialect.has_at_hash:
        claims["at_hash"] = tokens.half_hash(access_token)
    token = tokens.draft(provider, client, claims)
    bad_tokens.spoil(token, provider.switches.use("id_token"))
    return tokens.seal(token)


def _exchange(provider, request):
    fields = _read(request)
    client = _authenticate(provider, request, fields)
    if fields.get("grant_type") != "authorization_code":
        raise _Error("unsupported_grant_type", "grant_type must be authorization_code")
    challenge = _challenge_of(fields.get("code_verifier", ""))
    try:
        grant, access_token = provider.grants.take_code(
            fields.get("code", ""), client.id, fields.get("redirect_uri"), challenge)
    except Refused as error:
        raise _Error("invalid_grant", str(error))
    return provider.dialect.token_members(provider, grant, {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_LIFETIME_S,
        "scope": grant.scope,
        "id_token": _id_token(provider, client, grant, access_token),
    })


def token(provider, request):
    try:
        return provider.answer("token", request, _exchange(provider, request))
    except _Error as error:
        members, status = provider.dialect.token_error(error.code, str(error), error.status)
        response = json_response(members, status)
        if status == 401 and "Authorization" in request.headers:
            response.headers["WWW-Authenticate"] = f'Basic realm="{provider.name}"'
        return provider.deliver("token", request, response)


def userinfo(provider, request):
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    grant = provider.grants.find_token(value.strip()) if scheme.lower() == "bearer" else None
    if grant is None:
        response = json_response({"error": "invalid_token"}, 401,
                                 WWW_Authenticate='Bearer error="invalid_token"')
        return provider.deliver("userinfo", request, response)
    return provider.answer("userinfo", request, provider.people.claims(grant.user))
