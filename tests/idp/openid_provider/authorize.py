# SPDX-License-Identifier: Apache-2.0
"""The authorization endpoint: OpenID Connect Core section 3.1.2, PKCE S256, RFC 9207 iss."""

import re
import urllib.parse

from . import page
from .bad_answers import Document
from .server import Response
from .state import Refused

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64url, RFC 7636 section 4.2


class _Denied(Exception):
    """An error that goes back to the client in the redirect."""

    def __init__(self, code, description):
        super().__init__(description)
        self.code = code


def _once(fields):
    """{name: value}; a parameter that stands twice is an error (RFC 6749 section 3.1)."""
    for name, values in fields.items():
        if len(values) > 1:
            raise Refused(f"the parameter {name} stands {len(values)} times; send it once")
    return {name: values[0] for name, values in fields.items()}


def _find_client(provider, fields):
    client = provider.clients.get(fields.get("client_id", ""))
    if client is None:
        raise Refused("client_id is not known here; register it with POST /control/client")
    if fields.get("redirect_uri") not in client.redirect_uris:
        raise Refused("redirect_uri is not one that this client registered")
    return client


def _check(fields):
    if fields.get("response_type") != "code":
        raise _Denied("unsupported_response_type", "response_type must be code")
    if "openid" not in fields.get("scope", "").split():
        raise _Denied("invalid_scope", "scope must contain openid")
    if fields.get("response_mode", "query") != "query":
        raise _Denied("invalid_request", "response_mode must be query")
    if fields.get("code_challenge_method") != "S256":
        raise _Denied("invalid_request", "code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(fields.get("code_challenge", "")):
        raise _Denied("invalid_request", "code_challenge must be a SHA-256 in base64url")


def _choose_user(request, fields):
    """The user, or None when the page must ask."""
    if request.method == "POST" and "user" in fields:
        if fields.get("decision") == "cancel":
            raise _Denied("access_denied", "the user cancelled")
        return fields["user"]
    if fields.get("prompt") == "none":
        if not fields.get("login_hint"):
            raise _Denied("login_required", "prompt=none needs login_hint here")
        return fields["login_hint"]
    return None


def _redirect(provider, fields, members):
    if "state" in fields:
        members["state"] = fields["state"]
    if provider.dialect.sends_iss:
        members["iss"] = provider.issuer
    members = provider.dialect.callback(fields, members)
    document = Document(members, provider.ring)
    for switch, argument in provider.switches.use("authorize"):
        switch.apply(document, argument)
    uri = fields["redirect_uri"]
    joint = "&" if urllib.parse.urlsplit(uri).query else "?"
    query = urllib.parse.urlencode(document.members, doseq=True)
    # 303, so that a browser turns the POST of the form into a GET (RFC 9700 section 4.12).
    return Response(303, headers={"Location": f"{uri}{joint}{query}"})


def _grant(provider, client, fields, user):
    try:
        provider.people.subject(user)
    except Refused as error:
        raise _Denied("access_denied", str(error))
    return provider.grants.add_code(
        client_id=client.id, redirect_uri=fields["redirect_uri"], user=user,
        scope=fields["scope"], nonce=fields.get("nonce"),
        code_challenge=fields["code_challenge"])


def authorize(provider, request):
    try:
        fields = _once(request.form() if request.method == "POST" else request.query)
        client = _find_client(provider, fields)
    except Refused as error:
        return page.problem(str(error))
    try:
        _check(fields)
        user = _choose_user(request, fields)
        if user is None:
            return page.sign_in(provider.name, client.id, request.path, fields, fields.get("login_hint", ""))
        return _redirect(provider, fields, {"code": _grant(provider, client, fields, user)})
    except _Denied as denied:
        return _redirect(provider, fields,
                         {"error": denied.code, "error_description": str(denied)})
