# SPDX-License-Identifier: Apache-2.0
"""The stream at a provider, from its making to its end: polled and pushed, over real HTTPS, with a token that is fetched."""
import pytest

from signalling import mint, signalled
from test_receivers import OWN, accounts, ask, claims, create
from test_signals import wait_for

MANAGED = '''set signal-issuer "{issuer}" set signal-algorithm RS256 set signal-audience "another-app"
    set stream-token-endpoint "{issuer}/ssf/token" set stream-client-id "countersign-web"
    set stream-client-secret file "sandbox.secret"'''

BROKER = {
    "rights": {"market": "signals"},
    "clients": ["pushed"],
    "provider_extra": MANAGED + " signals { poll 1s }",
    "extra": '''provider "pushed" {
    plugin "oidc"
    deadline 20s
    set issuer "{issuer}"
    set client-id "countersign-web"
    set client-secret file "sandbox.secret"
    set ca-file "{ca}"
    ''' + MANAGED + "\n}\n",
}


def stream(broker, provider, action):
    return broker.admin.call("Admin.Stream", provider=provider, action=action)["document"]


def at_provider(broker):
    return broker.provider.control("stream")


@pytest.fixture
def clean(broker):
    """The provider has one stream for all who show its token."""
    yield broker
    stream(broker, "pushed", "delete")


def heard(broker, provider):
    return next(s for s in broker.admin.call("Admin.Signals")["signals"] if s["provider"] == provider)


def test_a_polled_stream_is_made_read_and_ended(clean, person):
    broker = clean
    made = stream(broker, "sandbox", "create")
    assert made["delivery"]["method"] == "urn:ietf:rfc:8936" and made["iss"] == broker.provider.issuer
    assert stream(broker, "sandbox", "status")["status"] == "enabled"
    told = mint(broker, "account-disabled", person.subject, detail={"reason": "hijacking"}, alg="RS256", emit=True)
    forged = mint(broker, "account-purged", person.subject, alg="RS256", emit=True, rogue=True)
    wait_for(broker, lambda: signalled(broker, person))
    event, = signalled(broker, person)
    assert event["json"]["signal"] == "account-disabled" and event["json"]["signal_id"] == told["claims"]["jti"]
    assert broker.service.call("Links.Get", link=person.link_id)["link"]["state"] == "suspended"
    wait_for(broker, lambda: not at_provider(broker)["waiting"])
    assert told["claims"]["jti"] in at_provider(broker)["acknowledged"] and forged["claims"]["jti"] in at_provider(broker)["refused"]
    assert stream(broker, "sandbox", "delete")["delivery"]["method"] == "urn:ietf:rfc:8936"
    assert at_provider(broker)["config"] is None
    assert "stream_id" not in stream(broker, "sandbox", "status")


def test_a_pushed_stream_proves_its_way(clean):
    broker = clean
    made = stream(broker, "pushed", "create")
    assert made["delivery"] == {"method": "urn:ietf:rfc:8935", "endpoint_url": broker.url + "/ssf/pushed"}
    assert "verified_at" not in heard(broker, "pushed")
    stream(broker, "pushed", "verify")
    wait_for(broker, lambda: "verified_at" in heard(broker, "pushed"))
    assert at_provider(broker)["pushed"][-1]["status"] == 202
    # What was made before is brought to what is wanted now.
    assert stream(broker, "pushed", "create")["stream_id"] == made["stream_id"]


def test_what_a_provider_says_is_told_to_services_too(clean, person):
    """In by one stream, out by another."""
    broker = clean
    id = create(broker, "market", events_requested=[OWN + "link-suspended"])["stream_id"]
    stream(broker, "sandbox", "create")
    mint(broker, "account-purged", person.subject, alg="RS256", emit=True)
    wait_for(broker, lambda: signalled(broker, person))
    sets = ask(broker, "POST", "/signals/poll", {}, "market")[1]["sets"].values()
    told, = [claims(broker, t) for t in sets]
    assert accounts([told]) == [person.account] and told["events"][OWN + "link-suspended"]["link"] == person.link_id
    assert ask(broker, "DELETE", f"/signals/stream?stream_id={id}", certificate="market")[0] == 204
