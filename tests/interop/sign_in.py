# SPDX-License-Identifier: Apache-2.0
"""One sign-in with a provider by way of a worker: by the token of an app, or by a code."""

import base64
import hashlib
import secrets

from relying_party import REDIRECT
from worker_process import Refused, now_ms


def identify(connection, rp, deadline_ms=60000, **members):
    parameters = {"deadline_ms": deadline_ms, "request": "r1", "nonce": rp.nonce,
                  "client_ids": [rp.client_id], "now_ms": now_ms(), **members}
    return connection.call("Identify", **{k: v for k, v in parameters.items() if v is not None})


def exchange(connection, rp, code=None, **members):
    return identify(connection, rp, **{
        "code": code or rp.code(), "code_verifier": rp.verifier, "redirect_uri": REDIRECT,
        "iss": rp.issuer, **members})


def mint(rp, **members):
    return rp.control("mint", **{"user": "alice", "aud": rp.client_id, "nonce": rp.nonce,
                                 **members})["id_token"]


def answer(operation, *arguments, **members):
    """Its reason, or "good"."""
    try:
        operation(*arguments, **members)
        return "good"
    except Refused as refused:
        return refused.reason


def authorization_url(connection, rp, **members):
    """Where the worker sends the browser."""
    return connection.call("AuthorizationUrl", **{
        "deadline_ms": 60000, "request": "r0", "state": rp.state, "nonce": rp.nonce,
        "code_challenge": rp.request_fields()["code_challenge"], "redirect_uri": REDIRECT,
        "client_id": rp.client_id, **members})["url"]


class SignIn:
    """One person's way through the worker and a provider that was written apart from it."""

    def __init__(self, connection, provider, client, user="alice"):
        """`provider`: issuer, redirect and browse(url, user)."""
        self.connection, self.provider, self.client, self.user = connection, provider, client, user
        self.verifier, self.nonce, self.state = (secrets.token_urlsafe(32) for _ in range(3))

    def url(self):
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        return self.connection.call(
            "AuthorizationUrl", deadline_ms=60000, request="u", state=self.state, nonce=self.nonce,
            code_challenge=challenge, redirect_uri=self.provider.redirect, client_id=self.client)["url"]

    def come_back(self):
        self.came = self.provider.browse(self.url(), self.user)
        assert self.came["state"] == self.state and self.came["iss"] == self.provider.issuer
        return self

    def identify(self, **changes):
        return self.connection.call("Identify", **{
            "deadline_ms": 60000, "request": "i", "nonce": self.nonce, "client_ids": [self.client],
            "code": self.came["code"], "code_verifier": self.verifier, "redirect_uri": self.provider.redirect,
            "iss": self.came["iss"], "now_ms": now_ms(), **changes})

    def reason(self, **changes):
        try:
            self.identify(**changes)
            return "good"
        except Refused as refused:
            return refused.reason
