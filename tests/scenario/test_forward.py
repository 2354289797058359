# SPDX-License-Identifier: Apache-2.0
"""What the gateway may ask of the engine: a service's calls by its certificate, and nothing of its own choosing."""
import json

import pytest

from harness import VarlinkError


def test_certificate_is_the_service(market):
    who = market.call("Whoami")
    assert (who["service"], who["realm"], who["admin"]) == ("market", "test", False)


@pytest.mark.parametrize("certificate", ["stranger", "", "00" * 32, "x" * 64])
def test_unknown_certificate_is_nobody(broker, certificate):
    assert broker.as_service(certificate).fails("Whoami").name == "NotAuthenticated"


def test_no_certificate_is_nobody(broker):
    reply = broker.gateway().call("Internal.Forward", method="org.countersign.Whoami", parameters={})
    assert reply["error"] == "org.countersign.NotAuthenticated"


def test_upper_case_fingerprint_is_the_same_certificate(broker):
    assert broker.as_service(broker.fingerprints["market"].upper()).call("Whoami")["service"] == "market"


@pytest.mark.parametrize("method", [
    "Admin.Status", "Admin.Freeze", "Internal.Health", "Internal.Forward", "Internal.PageOpen", "Worker.Identify",
    "org.varlink.service.GetInfo"])
def test_closed_methods_cannot_be_forwarded(market, method):
    assert market.fails(method).name == "NotPermitted"


def test_methods_of_the_gateway_are_for_the_gateway(shop, broker):
    for method in ("Internal.Health", "Internal.Keys", "Internal.Forward"):
        assert shop.fails(method).name == "NotPermitted"
        assert broker.admin.fails(method).name == "NotPermitted"


def test_gateway_asks_nothing_in_its_own_name(broker):
    gateway = broker.gateway()
    assert gateway.fails("Payments.Get", account="a", payment="p").name == "NotAuthenticated"
    assert gateway.fails("Admin.Status").name in ("NotPermitted", "MethodNotFound")


def test_forward_names_what_is_missing(broker):
    error = broker.gateway().fails("Internal.Forward", parameters={})
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "method")


def test_errors_of_forwarded_calls_are_wrapped(market):
    error = market.fails("Sessions.Begin", provider="nowhere")
    assert (error.name, error.parameters) == ("NotFound", {"what": "provider"})


def test_many_calls_on_one_connection_are_answered_in_order(broker, market):
    for i in range(200):
        market.send("Lookup.ByAccount", account=f"nobody-{i}")
        market.send("Whoami")
    for _ in range(200):
        with pytest.raises(VarlinkError, match="NotFound"):
            market.receive()
        assert market.receive()["service"] == "market"


def test_health_and_keys_over_https(broker):
    status, _, body = broker.web("GET", "/healthz", certificate=None)
    assert (status, json.loads(body)) == (200, {"ok": True})
    status, _, body = broker.web("GET", "/.well-known/jwks.json", certificate=None)
    key, = json.loads(body)["keys"]
    assert status == 200 and key["crv"] == "P-256" and key["alg"] == "ES256" and "d" not in key


def test_a_clock_that_jumped_is_not_healthy(broker):
    wall = broker.clock.now_ms()
    try:
        broker.clock.set(wall_ms=3600_000, boot_ms=0)
        assert broker.gateway().call("Internal.Health") == {"ok": False, "reason": "clock"}
        assert broker.web("GET", "/healthz", certificate=None)[0] == 503
    finally:
        broker.clock.set(wall_ms=0, boot_ms=0)
    assert broker.gateway().call("Internal.Health") == {"ok": True}
    assert broker.clock.now_ms() - wall < 60_000
