# SPDX-License-Identifier: Apache-2.0
"""The tests' provider as a transmitter of security events, and what a broker makes of them."""

AUDIENCE = "countersign-app"


def mint(broker, event, subject=None, detail=None, **rest):
    """A message of the provider, as the provider's README says: {body, content_type, claims, ...}. alg: as the broker's block."""
    members = {**({"sub": subject} if subject is not None else {}), **({"members": detail} if detail else {})}
    return broker.provider.control("signal", event=event, **{"aud": AUDIENCE, "alg": "ES256", **members, **rest})


def push(broker, message, **headers):
    """(status, headers, body) of a push through the gateway."""
    return broker.web("POST", "/ssf/sandbox", message["body"], None, {"Content-Type": message["content_type"], **headers})


def warn(broker, event, subject, **rest):
    """One event, taken."""
    message = mint(broker, event, subject, **rest)
    status, _, body = push(broker, message)
    assert (status, body) == (202, b""), (status, body, broker.log())
    return message


def signalled(broker, person):
    """The security events in the account's log."""
    events = broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"]
    return [event for event in events if event["type"] == "signalled"]


def stats(broker):
    return next(s for s in broker.admin.call("Admin.Signals")["signals"] if s["provider"] == "sandbox")
