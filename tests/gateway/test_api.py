# SPDX-License-Identifier: Apache-2.0
"""Every REST route of openapi.json makes the call that it says, and answers as the engine answered."""
import json
import os
import re
import urllib.parse

import pytest

from fake_engine import Error
from harness import SOURCE

with open(os.path.join(SOURCE, "broker", "gateway", "openapi.json"), encoding="utf-8") as f:
    OPENAPI = json.load(f)

CALLS = [(method.upper(), path, op) for path, item in OPENAPI["paths"].items() for method, op in item.items()
         if op["operationId"].startswith("org.countersign.")]


def varlink_methods():
    """method -> (parameters, which of them are optional), read from the interface files."""
    found = {}
    directory = os.path.join(SOURCE, "include", "countersign")
    for name in os.listdir(directory):
        if not name.endswith(".varlink"):
            continue
        with open(os.path.join(directory, name), encoding="utf-8") as f:
            text = "".join(line for line in f if not line.startswith("#"))
        for m in re.finditer(r"^method (\w+)\s*\(([^)]*)\)\s*->", text, re.M):
            members = dict(x.split(":", 1) for x in re.sub(r"\s+", " ", m[2]).split(",") if x.strip())
            found[name[:-len("varlink")] + m[1]] = {k.strip(): v.strip() for k, v in members.items()}
    return found


METHODS = varlink_methods()


def value_of(name, schema):
    if schema.get("type") == "integer":
        return 7
    return {"boolean": True, "array": [], "object": {}}.get(schema.get("type"), f"{name} 值/&")


@pytest.mark.parametrize("method,path,op", CALLS, ids=[f"{m} {p}" for m, p, _ in CALLS])
def test_route(gateway, ask, method, path, op):
    call = op["operationId"]
    success = next(iter(op["responses"]))
    gateway.engine.answers[call] = lambda p: {} if success == "204" else {"answer": "是 \"quoted\" \u0001", "n": [1, None]}
    expected, query, url = {}, {}, path
    for p in op.get("parameters", []):
        v = expected[p["name"]] = value_of(p["name"], p["schema"])
        if p["in"] == "path":
            url = url.replace("{%s}" % p["name"], urllib.parse.quote(v, safe=""))
        else:
            query[p["name"]] = v
    body = None
    if "requestBody" in op:
        properties = op["requestBody"]["content"]["application/json"]["schema"]["properties"]
        body = {name: value_of(name, schema) for name, schema in properties.items()}
        expected.update(body)
    r = ask(method, url + ("?" + urllib.parse.urlencode(query) if query else ""), body)
    assert r.status == int(success), r.body
    if success == "204":
        assert r.body == b""
    else:
        assert r.json == {"answer": "是 \"quoted\" \u0001", "n": [1, None]}
        assert r.headers["Cache-Control"] == "no-store"
    asked, = gateway.engine.asked(call)
    assert asked["parameters"] == expected
    assert asked["forwarded"]["certificate_sha256"] == gateway.fingerprint
    # The interface knows each of them, and has all that it requires.
    assert set(expected) <= set(METHODS[call]), call
    assert {n for n, t in METHODS[call].items() if not t.startswith("?")} <= set(expected)


@pytest.mark.parametrize("method,path,op", CALLS, ids=[f"{m} {p}" for m, p, _ in CALLS])
def test_no_route_without_a_certificate(gateway, ask, method, path, op):
    r = ask(method, re.sub(r"{\w+}", "x", path), certificate=None)
    assert r.status == 401 and r.json["error"] == "org.countersign.NotAuthenticated"
    assert gateway.engine.calls == []


@pytest.mark.parametrize("name,parameters,status", [
    ("InvalidParameter", {"field": "amount", "reason": "must be above zero"}, 400),
    ("NotAuthenticated", {}, 401),
    ("NotPermitted", {"right": "link"}, 403),
    ("NotFound", {"what": "link"}, 404),
    ("Conflict", {"what": "hold"}, 409),
    ("TooMany", {"what": "calls", "retry_after_ms": 2500}, 429),
    ("Unavailable", {"what": "provider", "retry_after_ms": 100}, 503),
])
def test_errors_are_problems(gateway, ask, name, parameters, status):
    def answer(p):
        raise Error("org.countersign." + name, **parameters)
    gateway.engine.answers["org.countersign.Links.Get"] = answer
    r = ask("GET", "/v1/links/l")
    assert r.status == status and r.headers["Content-Type"] == "application/problem+json"
    assert r.json["status"] == status and r.json["error"] == "org.countersign." + name and r.json["title"]
    assert parameters.items() <= r.json.items()
    if status in (429, 503):
        assert r.headers["Retry-After"] == str(-(-parameters["retry_after_ms"] // 1000))


def test_an_unknown_error_is_500_and_tells_nothing_else(gateway, ask):
    def answer(p):
        raise Error("org.varlink.service.MethodNotFound", method="x")
    gateway.engine.answers["org.countersign.Links.Get"] = answer
    assert ask("GET", "/v1/links/l").status == 500


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/links/l", "/v1/links/", "/v1/links/l/", "/v1/admin/status",
                                  "/metrics", "/v1//l"])
def test_unknown_paths(ask, path):
    r = ask("GET", path)
    assert r.status == 404 and r.json["error"] == "org.countersign.NotFound"


def test_wrong_method_names_the_right_ones(ask):
    r = ask("PUT", "/v1/links/l")
    assert r.status == 405 and r.headers["Allow"] == "GET, DELETE"


@pytest.mark.parametrize("path", ["/v1/links/%", "/v1/links/%00", "/v1/links/%ff", "/v1/links/%c0%af",
                                  "/v1/events?after=-1", "/v1/events?after=1e3", "/v1/events?after=01",
                                  "/v1/events?after=9999999999999999999", "/v1/events?x=1",
                                  "/v1/events?after=1&after=2", "/v1/links/l?x=%zz",
                                  "/v1/links/" + "a" * 2000])
def test_bad_paths_and_queries_are_400(gateway, ask, path):
    r = ask("GET", path)
    assert r.status == 400 and r.json["error"] == "org.countersign.InvalidParameter"
    assert gateway.engine.calls == []


def test_segments_are_decoded_once(gateway, ask):
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {}
    assert ask("GET", "/v1/links/a%252Fb%2F..%2F").status == 200
    assert gateway.engine.calls[0]["parameters"]["link"] == "a%2Fb/../"


def test_body_may_not_repeat_the_path(gateway, ask):
    r = ask("POST", "/v1/holds/h/capture", {"hold": "other", "capture_id": "c"})
    assert r.status == 400 and gateway.engine.calls == []


@pytest.mark.parametrize("body,kind,status", [("{", "application/json", 400), ("[]", "application/json", 400),
                                              ('{"a":1,"a":2}', "application/json", 400), ("{}", "text/json", 415)])
def test_bad_bodies(gateway, ask, body, kind, status):
    assert ask("POST", "/v1/holds/h/release", body, {"Content-Type": kind}).status == status
    assert gateway.engine.calls == []


def test_body_that_outgrows_a_message(gateway, ask):
    """Escapes make it larger on the way: it is refused, and the connection to the engine is unharmed."""
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {}
    r = ask("POST", "/v1/holds/h/capture", {"capture_id": "\x7f" * 60000})
    assert r.status == 413
    assert ask("POST", "/v1/links", '{"account":"' + "\x7f" * 60000 + '"}', {"Content-Type": "application/json"}
               ).status == 413
    assert ask("GET", "/v1/links/l").status == 200


def test_large_answer(gateway, ask):
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {"pad": "\x7f" * 60000}
    assert ask("GET", "/v1/links/l").json == {"pad": "\x7f" * 60000}


def test_health(gateway, ask):
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": True}
    r = ask("GET", "/healthz", certificate=None)
    assert r.status == 200 and r.json == {"ok": True}
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": False, "reason": "disk full"}
    r = ask("GET", "/healthz", certificate=None)
    assert r.status == 503 and r.json == {"ok": False, "reason": "disk full"}


def test_keys_are_kept_for_seconds(gateway, ask):
    gateway.clock.forward(60 * 1000)
    gateway.engine.answers["org.countersign.Internal.Keys"] = lambda p: {"jwks": {"keys": [{"kty": "EC", "kid": "1"}]}}
    for _ in range(3):
        r = ask("GET", "/.well-known/jwks.json", certificate=None)
        assert r.status == 200 and r.json == {"keys": [{"kty": "EC", "kid": "1"}]}
    assert len(gateway.engine.calls) == 1
    gateway.clock.forward(11 * 1000)
    ask("GET", "/.well-known/jwks.json", certificate=None)
    assert len(gateway.engine.calls) == 2


def test_nothing_secret_is_logged(gateway, ask):
    gateway.engine.answers["org.countersign.Sessions.Open"] = lambda p: {"session": "sess_hush"}
    ask("POST", "/v1/sessions", {"sign_in": "signin_hush", "id_token": "token_hush"}, {"X-Request-ID": "req_hush"})
    ask("GET", "/c/page_hush?code=query_hush", headers={"Cookie": "__Host-start=cookie_hush"})
    log = gateway.log_text()
    assert "route=/v1/sessions" in log
    assert "hush" not in log
