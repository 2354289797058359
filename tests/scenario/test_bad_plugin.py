# SPDX-License-Identifier: Apache-2.0
"""A provider's plugin that lies, dies or says nothing costs its own sign-ins, and opens nothing (attack L9)."""
import pytest

BROKER = {
    "clients": ["crooked"],
    "extra": '''provider "crooked" {
    plugin "misbehave"
    servers 2 deadline 5s queue 8
    cooling-off 0
    set issuer "https://misbehave.test"
}''',
}

LIES = ["lie_request", "lie_nonce", "lie_audience", "lie_issuer", "lie_time", "garbage", "overflow", "nonsense"]


def begin(shop):
    return shop.call("Sessions.Begin", provider="crooked")["sign_in"]


def open_with(shop, token):
    return shop.fails("Sessions.Open", sign_in=begin(shop), id_token=token)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_opens_nothing(shop, lie):
    error = open_with(shop, "!" + lie)
    assert (error.name, error.parameters["what"]) == ("Unavailable", "crooked")


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_links_nothing(shop, broker, nobody, lie):
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="crooked", native=True)
    assert shop.fails("Links.Complete", sign_in=begun["sign_in"], id_token="!" + lie).name == "Unavailable"
    assert shop.call("Links.List", account=nobody.account)["links"] == []


def test_the_log_says_what_was_a_lie(shop, broker):
    open_with(shop, "!lie_nonce")
    assert "contradicts the question" in broker.log() and "what=nonce" in broker.log()


@pytest.mark.parametrize("way, times", [("crash", 3), ("exit", 3), ("hang", 1)])
def test_a_plugin_that_dies_or_hangs_is_replaced(shop, way, times):
    for _ in range(times):
        assert open_with(shop, "!" + way).name == "Unavailable"
    assert open_with(shop, "nobody").parameters == {"what": "link"}


def test_other_providers_do_not_notice(shop, broker, person):
    waiting = broker.connect()
    waiting.send("Sessions.Open", sign_in=begin(shop), id_token="!hang")
    assert person.open()["outcome"] == "permit"
    with pytest.raises(Exception, match="Unavailable"):
        waiting.receive()


def test_a_refusal_keeps_its_reason(shop):
    assert open_with(shop, "!refuse").parameters == {"field": "id_token", "reason": "bad_token"}


def test_a_service_that_hangs_up_leaves_the_broker_well(shop, broker):
    for _ in range(2):
        leaving = broker.connect()
        leaving.send("Sessions.Open", sign_in=begin(shop), id_token="!slow")
        leaving.close()
    assert open_with(shop, "nobody").parameters == {"what": "link"}
