# SPDX-License-Identifier: Apache-2.0
"""OpenID AuthZEN Authorization API 1.0 over the gateway: shape, errors, batches, and what reaches the engine."""
import copy

import pytest

from fake_engine import Error

ONE = "/access/v1/evaluation"
MANY = "/access/v1/evaluations"
AUTHORIZE = "org.countersign.Payments.Authorize"
EVALUATE = "org.countersign.Payments.Evaluate"

QUESTION = {
    "subject": {"type": "account", "id": "acct-1", "properties": {"session": "sess_1", "department": "ignored"}},
    "action": {"name": "spend"},
    "resource": {"type": "payment", "id": "order-1", "properties": {
        "amount": "20.00", "currency": "CNY", "payee": {"id": "m-7", "name": "店", "colour": "ignored"}, "x": [1]}},
    "context": {"ip": "192.0.2.1", "device": "phone", "time": "ignored"},
    "unknown": {"ignored": True},
}


def permit(p):
    return {"outcome": "permit", "reason": "allowance", "hold": {"id": "hold_1", "state": "open"}, "replayed": False,
            "challenge": None}


def deny(p):
    return {"outcome": "deny", "reason": "limit_day", "detail": {"limit": "1000.00 CNY", "used": "990.00 CNY"}}


def step_up(p):
    return {"outcome": "step_up", "reason": "countersignature_required", "challenge": {
        "id": "chal_1", "url": "https://x/c/t", "expires_at": "2026-11-22T10:00:00Z", "factors": ["totp"]}}


def without(path):
    q = copy.deepcopy(QUESTION)
    at = q
    *way, last = path.split(".")
    for name in way:
        at = at[name]
    del at[last]
    return q


def test_permit_and_what_the_engine_is_asked(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = permit
    r = ask("POST", ONE, QUESTION)
    assert r.status == 200 and r.headers["Content-Type"] == "application/json"
    assert r.json == {"decision": True, "context": {"outcome": "permit", "reason": "allowance", "replayed": False,
                                                    "hold": {"id": "hold_1", "state": "open"}}}
    call, = gateway.engine.calls
    assert call["forwarded"]["certificate_sha256"] == gateway.fingerprint
    assert call["forwarded"]["ip"] == "127.0.0.1"
    assert call["parameters"] == {
        "session": "sess_1", "account": "acct-1", "context": {"ip": "192.0.2.1", "device": "phone"},
        "payment": {"id": "order-1", "amount": "20.00", "currency": "CNY", "payee": {"id": "m-7", "name": "店"}}}


def test_a_denial_is_200(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = deny
    r = ask("POST", ONE, QUESTION)
    assert r.status == 200
    assert r.json == {"decision": False, "context": deny(None)}


def test_step_up_says_how_to_ask_again(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = step_up
    context = ask("POST", ONE, QUESTION).json
    assert context["decision"] is False
    context = context["context"]
    assert context["outcome"] == "step_up"
    assert context["challenge"] == step_up(None)["challenge"]
    assert context["evaluation_id"] == "chal_1"
    assert context["access_request"] == {"form_url": "https://x/c/t", "expires_at": "2026-11-22T10:00:00Z"}
    assert context["evaluated_at"].endswith("Z")


@pytest.mark.parametrize("outcome", ["Permit", "permit ", "", "allow", None, True, 1])
def test_only_permit_is_yes(gateway, ask, outcome):
    gateway.engine.answers[AUTHORIZE] = lambda p: {"outcome": outcome, "reason": "x"}
    assert ask("POST", ONE, QUESTION).json["decision"] is False


def test_can_spend_asks_without_effect(gateway, ask):
    gateway.engine.answers[EVALUATE] = lambda p: {"outcome": "permit", "reason": "allowance"}
    q = {**QUESTION, "action": {"name": "can_spend", "properties": {"capture": True, "explain": True}}}
    assert ask("POST", ONE, q).json["decision"] is True
    parameters = gateway.engine.asked(EVALUATE)[0]["parameters"]
    assert "capture" not in parameters and parameters["explain"] is True


@pytest.mark.parametrize("wanted", [True, False])
def test_the_context_asks_why(gateway, ask, wanted):
    gateway.engine.answers[AUTHORIZE] = deny
    q = copy.deepcopy(QUESTION)
    q["context"]["explain"] = wanted
    q["action"]["properties"] = {"explain": not wanted}
    assert ask("POST", ONE, q).status == 200
    asked = gateway.engine.asked(AUTHORIZE)[0]["parameters"]
    assert asked["explain"] is wanted and "explain" not in asked.get("context", {})


def test_options_of_a_spend(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = permit
    q = copy.deepcopy(QUESTION)
    q["action"]["properties"] = {"capture": True, "receipt": True, "explain": False}
    q["context"]["return_url"] = "https://shop/done"
    q["subject"]["properties"] = {"allowance": "allow_1"}
    ask("POST", ONE, q)
    p = gateway.engine.calls[0]["parameters"]
    assert (p["capture"], p["receipt"], p["explain"], p["return_url"], p["allowance"]) == \
        (True, True, False, "https://shop/done", "allow_1")
    assert "session" not in p


@pytest.mark.parametrize("change", [{"action": {"name": "delete"}}, {"subject": {"type": "user", "id": "a"}},
                                    {"resource": {"type": "todo", "id": "1"}}])
def test_another_question_is_denied_and_not_asked(gateway, ask, change):
    r = ask("POST", ONE, {**QUESTION, **change})
    assert r.status == 200 and r.json["decision"] is False
    assert gateway.engine.calls == []


@pytest.mark.parametrize("path", ["subject", "action", "resource", "subject.type", "subject.id", "action.name",
                                  "resource.type", "resource.id"])
def test_missing_attribute_is_400_with_a_string(ask, path):
    r = ask("POST", ONE, without(path))
    assert r.status == 400 and isinstance(r.json, str)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', '{"subject":{},"subject":{}}', "{}{}", '{"a":"\\ud800"}',
                                  "{'a':1}", '{"subject":[]}', '{"a":' + '[' * 20 + ']' * 20 + '}',
                                  '{"a":' + '{"b":' * 9 + '1' + '}' * 9 + '}', '{"a":"\x01"}'])
def test_malformed_body_is_400(ask, body):
    r = ask("POST", ONE, body, {"Content-Type": "application/json"})
    assert r.status == 400 and isinstance(r.json, str)


def test_body_that_is_no_utf8_is_400(ask):
    assert ask("POST", ONE, b'{"a":"\xff"}', {"Content-Type": "application/json"}).status == 400


def test_media_type(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = permit
    import json
    text = json.dumps(QUESTION)
    assert ask("POST", ONE, text, {"Content-Type": "application/json; charset=utf-8"}).status == 200
    assert ask("POST", ONE, text, {"Content-Type": "text/plain"}).status == 400
    assert ask("POST", ONE, text).status == 400


def test_other_methods_are_405(ask):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        r = ask(method, ONE)
        assert r.status == 405 and r.headers["Allow"] == "POST"


def test_without_a_certificate_is_401(gateway, ask):
    r = ask("POST", ONE, QUESTION, certificate=None)
    assert r.status == 401 and isinstance(r.json, str) and "WWW-Authenticate" in r.headers
    assert gateway.engine.calls == []


@pytest.mark.parametrize("name,parameters,status,says", [
    ("InvalidParameter", {"field": "amount", "reason": "has more digits than CNY"}, 400, "amount has more digits"),
    ("NotAuthenticated", {}, 401, "NotAuthenticated"),
    ("NotPermitted", {"right": "spend"}, 403, "spend"),
    ("TooMany", {"what": "calls", "retry_after_ms": 1500}, 429, "calls"),
    ("Unavailable", {"what": "store", "retry_after_ms": 100}, 503, "store"),
])
def test_errors_of_the_engine(gateway, ask, name, parameters, status, says):
    def answer(p):
        raise Error("org.countersign." + name, **parameters)
    gateway.engine.answers[AUTHORIZE] = answer
    r = ask("POST", ONE, QUESTION)
    assert r.status == status and says in r.json


@pytest.mark.parametrize("name,status", [("NotFound", 404), ("Conflict", 409)])
def test_what_does_not_exist_permits_nothing(gateway, ask, name, status):
    def answer(p):
        raise Error("org.countersign." + name, what="session")
    gateway.engine.answers[AUTHORIZE] = answer
    r = ask("POST", ONE, QUESTION)
    assert r.status == 200
    assert r.json == {"decision": False, "context": {"error": {"status": status, "message": name + ": session"}}}


def test_request_id_is_echoed_unchanged(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = permit
    for value in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "ü/;=\"x", "a" * 500):
        r = ask("POST", ONE, QUESTION, {"X-Request-ID": value.encode("latin-1")})
        assert r.headers["X-Request-ID"] == value
    assert ask("POST", ONE, "{", {"X-Request-ID": "r"}).headers["X-Request-ID"] == "r"
    assert "X-Request-ID" not in ask("POST", ONE, QUESTION).headers


def test_metadata(gateway, ask):
    r = ask("GET", "/.well-known/authzen-configuration", certificate=None)
    assert r.status == 200 and r.headers["Content-Type"] == "application/json"
    assert r.json == {"policy_decision_point": gateway.url, "access_evaluation_endpoint": gateway.url + ONE,
                      "access_evaluations_endpoint": gateway.url + MANY}


# Batches. The engine permits payments whose id begins with "p".

def by_id(p):
    return permit(p) if p["payment"]["id"].startswith("p") else deny(p)


def item(payment):
    return {"resource": {**QUESTION["resource"], "id": payment}}


def batch(ids, semantic=None, **more):
    q = {**QUESTION, "evaluations": [item(i) for i in ids], **more}
    if semantic:
        q["options"] = {"evaluations_semantic": semantic}
    return q


@pytest.mark.parametrize("semantic,ids,decisions", [
    (None, ["p1", "d2", "p3"], [True, False, True]),
    ("execute_all", ["p1", "d2", "p3"], [True, False, True]),
    ("deny_on_first_deny", ["p1", "d2", "p3"], [True, False]),
    ("deny_on_first_deny", ["p1", "p2"], [True, True]),
    ("permit_on_first_permit", ["d1", "p2", "p3"], [False, True]),
    ("permit_on_first_permit", ["d1", "d2"], [False, False]),
])
def test_three_semantics(gateway, ask, semantic, ids, decisions):
    gateway.engine.answers[AUTHORIZE] = by_id
    r = ask("POST", MANY, batch(ids, semantic))
    assert r.status == 200
    assert [e["decision"] for e in r.json["evaluations"]] == decisions
    # What lies behind a short circuit is not asked: asking places holds.
    assert [c["parameters"]["payment"]["id"] for c in gateway.engine.calls] == ids[:len(decisions)]


def test_an_item_replaces_the_whole_entity(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = permit
    q = {**QUESTION, "evaluations": [{}, {"subject": {"type": "account", "id": "other"}}, {"resource": {"id": "x"}}]}
    r = ask("POST", MANY, q).json["evaluations"]
    assert [e["decision"] for e in r] == [True, True, False]
    assert r[2]["context"]["error"]["status"] == 400
    first, second = gateway.engine.calls
    assert first["parameters"]["account"] == "acct-1"
    assert second["parameters"]["account"] == "other" and "session" not in second["parameters"]


def test_an_error_of_one_item_is_its_own(gateway, ask):
    def answer(p):
        if p["payment"]["id"] == "bad":
            raise Error("org.countersign.InvalidParameter", field="amount", reason="is zero")
        return permit(p)
    gateway.engine.answers[AUTHORIZE] = answer
    r = ask("POST", MANY, batch(["p1", "bad", "p3"])).json["evaluations"]
    assert [e["decision"] for e in r] == [True, False, True]
    assert r[1]["context"] == {"error": {"status": 400, "message": "InvalidParameter: amount is zero"}}
    r = ask("POST", MANY, batch(["p1", "bad", "p3"], "deny_on_first_deny")).json["evaluations"]
    assert [e["decision"] for e in r] == [True, False]


@pytest.mark.parametrize("evaluations", [{}, {"evaluations": []}])
def test_without_items_it_is_one_evaluation(gateway, ask, evaluations):
    gateway.engine.answers[AUTHORIZE] = permit
    r = ask("POST", MANY, {**QUESTION, **evaluations})
    assert r.json["decision"] is True and "evaluations" not in r.json


@pytest.mark.parametrize("change", [{"options": {"evaluations_semantic": "maybe"}}, {"options": []},
                                    {"options": {"evaluations_semantic": 1}}, {"evaluations": {}},
                                    {"evaluations": [{}] * 65}])
def test_bad_batch_is_400_and_asks_nothing(gateway, ask, change):
    assert ask("POST", MANY, {**batch(["p1"]), **change}).status == 400
    assert gateway.engine.calls == []


def test_item_that_is_no_object(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = permit
    r = ask("POST", MANY, {**QUESTION, "evaluations": [1, {}, {"subject": "x"}]}).json["evaluations"]
    assert [e["decision"] for e in r] == [False, True, False]


def test_largest_batch(gateway, ask):
    gateway.engine.answers[AUTHORIZE] = by_id
    ids = [("p" if i % 3 else "d") + str(i) for i in range(64)]
    q = {**QUESTION, "evaluations": [{"resource": {"type": "payment", "id": i, "properties": {
        "amount": "1", "currency": "CNY", "payee": {"id": "m"}}}} for i in ids]}
    r = ask("POST", MANY, q).json["evaluations"]
    assert [e["decision"] for e in r] == [i[0] == "p" for i in ids]
