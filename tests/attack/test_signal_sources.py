# SPDX-License-Identifier: Apache-2.0
"""
Where security events come from does not answer: its metadata, and so its keys, are not to be had. No event may be lost by
that (X1), and nobody may keep people from signing in by posting what would have to be looked at (X9).
"""
from signalling import mint, push, signalled, stats

# The tests' provider has no metadata there.
BROKER = {"provider_extra": 'set signal-issuer "{issuer}/nowhere"'}


def event(broker, subject):
    return mint(broker, "account-disabled", subject, overrides={"iss": broker.provider.issuer + "/nowhere"})


def test_X1_an_event_whose_keys_cannot_be_had_is_to_be_sent_again(broker, person):
    before = stats(broker)
    status, headers, _ = push(broker, event(broker, person.subject))
    assert status == 503, "a refusal would be the last that is heard of it"
    assert "Retry-After" in headers
    assert stats(broker)["refused"] == before["refused"] and stats(broker)["failed"] == before["failed"] + 1
    assert not signalled(broker, person)


def test_X9_posts_at_the_gateway_keep_nobody_from_signing_in(broker, person):
    message = event(broker, "anybody")
    for _ in range(12):
        assert push(broker, message)[0] == 503
    assert person.open()["outcome"] == "permit"
    sandbox = next(p for p in broker.admin.call("Admin.Status")["providers"] if p["name"] == "sandbox")
    assert "rest_ms" not in sandbox
