# SPDX-License-Identifier: Apache-2.0
"""One sign-in with a provider by way of a worker: by the token of an app, or by a code."""

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
