# SPDX-License-Identifier: Apache-2.0
"""Plugins that lie about what came from outside: whose access token it is, and what a provider's message says."""
import http.client
import select
import time

import pytest

from harness import CALL_S, STACK

WHO = "/v1/accounts/nobody/links"
EXTRA = """provider "odd" { plugin "misbehave" cooling-off 0 servers 2 deadline 1s set issuer "https://odd.test" }
token "fool" { plugin "misbehave" servers 2 deadline 1s }
service "shop" {
    token-client "fool" "shop-client"
    door https
    rights lookup
    client-id "sandbox" "shop-app"
    stack "checkout"
}
"""
BROKER = {"extra": EXTRA, "clients": ["odd"], "stack": STACK.replace("provider    sandbox", "provider    sandbox odd")}

ANSWERS = ["crash", "exit", "hang", "garbage", "overflow", "nonsense", "fail", "lie_request"]


def ask(broker, token, proof=None):
    headers = {"Authorization": f"{'DPoP' if proof else 'Bearer'} {token}", **({"DPoP": proof} if proof else {})}
    return broker.web("GET", WHO, None, None, headers)[0]


def post(broker, text):
    return broker.web("POST", "/ssf/odd", text, None, {"Content-Type": "application/secevent+jwt"})[0]


def until(broker, answers):
    """A plugin that failed is given a rest; afterwards it answers again."""
    broker.clock.advance(61_000)
    end = time.monotonic() + CALL_S
    while not answers():
        assert time.monotonic() < end
        select.select([], [], [], 0.05)


@pytest.fixture
def well(broker):
    until(broker, lambda: ask(broker, "shop-client") == http.client.NOT_FOUND)


@pytest.fixture
def linked(broker, person):
    """With a link at the odd provider, and a session by it."""
    call = person.service.call
    until(broker, lambda: post(broker, "nobody|session-presented") == 202)
    begun = call("Links.Begin", account=person.account, provider="odd", native=True)
    proposed = call("Links.Complete", sign_in=begun["sign_in"], id_token=person.subject)
    person.confirm(proposed["challenge"]["id"])
    person.odd = proposed["link"]["id"]
    # A session of the very millisecond in which it was linked is none.
    broker.clock.advance(10)
    begun = call("Sessions.Begin", provider="odd")
    person.at = call("Sessions.Open", sign_in=begun["sign_in"], id_token=person.subject)["session"]
    return person


def stands(person):
    """How a payment by that link is answered now: where nothing was stopped, by asking the owner."""
    state = person.service.call("Links.Get", link=person.odd)["link"]["state"]
    return state, person.authorize(person.at, person.payment("1.00"))["reason"]


STANDS = ("active", "countersignature_required")


@pytest.mark.parametrize("how", ANSWERS + ["refuse", "lie_time", "lie_audience", "lie_proof"])
def test_L9_a_token_plugin_that_lies_makes_nobody_a_service(broker, well, how):
    assert ask(broker, f"shop-client|!{how}") in (401, 503)


@pytest.mark.parametrize("how", ["lie_proof", "lie_request", "garbage"])
def test_L9_a_token_plugin_that_forgets_the_proof(broker, well, how):
    """A proof that is not named cannot be taken once, so it counts for nothing."""
    assert ask(broker, "shop-client", "p-" + how) == 404
    assert ask(broker, "shop-client", "p-" + how) == 401
    assert ask(broker, f"shop-client|!{how}", "q-" + how) in (401, 503)


@pytest.mark.parametrize("how", ANSWERS + ["refuse", "lie_time", "lie_audience", "lie_more", "lie_word"])
def test_L9_a_provider_plugin_that_lies_about_a_message_stops_nobody(broker, linked, how):
    assert post(broker, f"{linked.subject}|account-disabled|!{how}") in (400, 503)
    assert stands(linked) == STANDS


@pytest.mark.parametrize("how", ["lie_subject", "lie_issuer"])
def test_L9_a_message_about_somebody_else(broker, linked, how):
    """Nobody has that link: it is taken like any other, so that whoever posts learns nothing."""
    assert post(broker, f"{linked.subject}|account-disabled|!{how}") == 202
    assert stands(linked) == STANDS


def test_L9_the_same_message_told_rightly_stops_it(broker, linked):
    assert stands(linked) == STANDS
    assert post(broker, f"{linked.subject}|account-disabled") == 202
    assert stands(linked) == ("suspended", "session_invalid")
