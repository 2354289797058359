# SPDX-License-Identifier: Apache-2.0
"""What is wrong is refused by name: the field, and how to mend it; on the Unix socket, over REST and over AuthZEN alike."""
import json
import socket

import pytest

from harness import CALL_S

MINUTE = 60_000
NOT_MONEY = "must be a decimal string with at most the currency's digits, such as \"20.00\""
NOT_CURRENCY = "is not an ISO 4217 code that can be paid in, such as CNY"

# What a payment may not be: how it is changed, the field at fault, and why.
BAD_PAYMENTS = [
    ({"amount": "20.005"}, "payment.amount", NOT_MONEY),
    ({"amount": "-1"}, "payment.amount", NOT_MONEY),
    ({"amount": "+1"}, "payment.amount", NOT_MONEY),
    ({"amount": "0"}, "payment.amount", "must be above zero"),
    ({"amount": "0.00"}, "payment.amount", "must be above zero"),
    ({"amount": "1e3"}, "payment.amount", NOT_MONEY),
    ({"amount": "0x10"}, "payment.amount", NOT_MONEY),
    ({"amount": "1,000"}, "payment.amount", NOT_MONEY),
    ({"amount": ""}, "payment.amount", NOT_MONEY),
    ({"amount": " 1"}, "payment.amount", NOT_MONEY),
    ({"amount": "1 "}, "payment.amount", NOT_MONEY),
    ({"amount": "01"}, "payment.amount", NOT_MONEY),
    ({"amount": ".5"}, "payment.amount", NOT_MONEY),
    ({"amount": "5."}, "payment.amount", NOT_MONEY),
    ({"amount": "１"}, "payment.amount", NOT_MONEY),
    ({"amount": "1000000000000000"}, "payment.amount", "is too large"),
    ({"amount": "9223372036854775808"}, "payment.amount", "is too large"),
    ({"amount": "18446744073709551617"}, "payment.amount", "is too large"),
    ({"amount": "9" * 400}, "payment.amount", "is too large"),
    ({"amount": 20}, "payment.amount", "must be a string"),
    ({"amount": None}, "payment.amount", "is missing"),
    ({"amount": "1.5", "currency": "JPY"}, "payment.amount", NOT_MONEY),
    ({"currency": "XXX"}, "payment.currency", NOT_CURRENCY),
    ({"currency": "XAU"}, "payment.currency", NOT_CURRENCY),
    ({"currency": "cny"}, "payment.currency", NOT_CURRENCY),
    ({"currency": "CNYY"}, "payment.currency", NOT_CURRENCY),
    ({"currency": ""}, "payment.currency", NOT_CURRENCY),
    ({"currency": 156}, "payment.currency", "must be a string"),
    ({"currency": None}, "payment.currency", "is missing"),
    ({"id": ""}, "payment.id", "must not be empty"),
    ({"id": "x" * 129}, "payment.id", "is too long"),
    ({"id": "中" * 43}, "payment.id", "is too long"),
    ({"id": "a\nb"}, "payment.id", "contains control characters"),
    ({"id": "a\x7fb"}, "payment.id", "contains control characters"),
    ({"id": "a\u0085b"}, "payment.id", "contains control characters"),
    ({"id": "a\u2028b"}, "payment.id", "contains control characters"),
    ({"id": "a\u202eb"}, "payment.id", "contains control characters"),
    ({"id": 7}, "payment.id", "must be a string"),
    ({"payee": None}, "payment.payee", "is missing"),
    ({"payee": {}}, "payment.payee.id", "is missing"),
    ({"payee": {"id": "x" * 129}}, "payment.payee.id", "is too long"),
    ({"payee": {"id": "m", "name": "x" * 300}}, "payment.payee.name", "is too long"),
    ({"payee": {"id": "m", "name": "Corner\tShop"}}, "payment.payee.name", "contains control characters"),
]

# The same wrong only where the members stand as they are; AuthZEN has a shape of its own.
BAD_SHAPES = [
    ({"payee": "m-7"}, "payment.payee", "must be an object"),
    ({"payee": {"id": "m", "bank": "x"}}, "payment.payee.bank", "is unknown"),
    ({"tip": "1"}, "payment.tip", "is unknown"),
]

# Texts that are no message, and what is said of them.
BAD_TEXTS = [
    (b'{"provider":"sandbox","provider":"sandbox"}', "duplicate member"),
    (b'{"provider":"sandbox","\\u0070rovider":"sandbox"}', "duplicate member"),
    (b'{"provider":"\xff"}', "invalid UTF-8"),
    (b'{"provider":"\xc0\xaf"}', "invalid UTF-8"),
    (b'{"provider":"\xed\xa0\x80"}', "invalid UTF-8"),
    (b'{"provider":"\\ud800"}', "lone surrogate"),
    (b'{"provider":"\\u0000"}', "\\u0000 is not allowed"),
    (b'{"provider":"a\nb"}', "control character in a string"),
    (b'{"provider":' + b'{"a":' * 20 + b"1" + b"}" * 21, "nested too deeply"),
    (b'{"provider":[' + b"1," * 2100 + b"1]}", "too many values"),
    (b'{"provider":1e999}', "number out of range"),
    (b'{"provider":01}', "leading zero"),
    (b'{"provider":"sandbox"', "a comma or closing brace is expected"),
    (b'{"provider":"sandbox"} x', "bytes after the end"),
    (b"nonsense", "unknown word"),
]


def ids(cases):
    return [f"{json.dumps(change)[:40]}" if isinstance(change, dict) else repr(change)[:40] for change, *_ in cases]


@pytest.fixture(scope="module")
def someone(running):
    """One person for all that is refused: nothing of it may leave a trace."""
    person = running.person()
    person.open_session = person.session()
    return person


def wrong(person, change):
    payment = {**person.payment(id="order-bad"), **change}
    return {k: v for k, v in payment.items() if v is not None}


def question(person, session, payment, **subject):
    """The payment as AuthZEN asks about it."""
    properties = {k: v for k, v in payment.items() if k != "id"}
    resource = {"type": "payment", "properties": properties}
    if "id" in payment:
        resource["id"] = payment["id"]
    return {"subject": {"type": "account", "id": person.account, "properties": {"session": session}, **subject},
            "action": {"name": "spend"}, "resource": resource}


def ask(broker, method, path, body=None, certificate="checkout"):
    if isinstance(body, bytes):
        status, headers, text = broker.web(method, path, body, certificate, {"Content-Type": "application/json"})
    else:
        status, headers, text = broker.web(method, path, body, certificate)
    return status, headers["Content-Type"], json.loads(text)


# --- payments, by every door ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["Payments.Authorize", "Payments.Evaluate"])
@pytest.mark.parametrize("change, field, reason", BAD_PAYMENTS + BAD_SHAPES, ids=ids(BAD_PAYMENTS + BAD_SHAPES))
def test_bad_payments_on_the_socket(broker, someone, method, change, field, reason):
    error = broker.service.fails(method, session=someone.open_session, payment=wrong(someone, change))
    assert (error.full_name, error.parameters) == ("org.countersign.InvalidParameter",
                                                   {"field": field, "reason": reason})
    # The connection goes on.
    assert broker.service.call("Whoami")["service"] == "checkout"


@pytest.mark.parametrize("change, field, reason", BAD_PAYMENTS, ids=ids(BAD_PAYMENTS))
def test_bad_payments_over_authzen(broker, someone, change, field, reason):
    body = question(someone, someone.open_session, wrong(someone, change))
    status, _, message = ask(broker, "POST", "/access/v1/evaluation", body)
    if field == "payment.id" and not isinstance(change["id"], str):
        assert (status, message) == (400, "resource must have type and id, both strings")
    elif field == "payment.payee":
        assert (status, message) == (400, "InvalidParameter: payment.payee is missing")
    else:
        assert (status, message) == (400, f"InvalidParameter: {field} {reason}")


def test_a_bad_item_of_a_batch_spoils_itself_only(broker, someone):
    good = question(someone, someone.open_session, someone.payment(id="order-batch"))
    good["action"]["name"] = "can_spend"
    bad = json.loads(json.dumps(good))
    bad["resource"]["properties"]["amount"] = "1e3"
    status, _, answer = ask(broker, "POST", "/access/v1/evaluations", {"evaluations": [good, bad, good]})
    first, second, third = answer["evaluations"]
    assert status == 200 and first == third and first["context"]["outcome"] == "step_up"
    assert second["decision"] is False and second["context"]["error"]["status"] == 400
    assert second["context"]["error"]["message"] == "InvalidParameter: payment.amount " + NOT_MONEY


def test_nothing_of_it_left_a_trace(broker, someone):
    assert broker.service.fails("Payments.Get", account=someone.account, payment="order-bad").name == "NotFound"
    events = broker.admin.call("Admin.Events", account=someone.account, limit=1000)["events"]
    assert not [e for e in events if "payment" in e["type"] or "challenge" in e["type"] and "spend" in json.dumps(e)]


# --- parameters ----------------------------------------------------------------------------------------------------

def parameters_of(person):
    return {"session": person.open_session, "payment": person.payment(id="order-bad")}


@pytest.mark.parametrize("change, field, reason", [
    ({"payment": None}, "payment", "is missing"),
    ({"payment": "order"}, "payment", "must be an object"),
    ({"payment": []}, "payment", "must be an object"),
    ({"session": None}, "session", "is missing (or name a mandate in allowance)"),
    ({"session": 7}, "session", "must be a string"),
    ({"capture": "yes"}, "capture", "must be true or false"),
    ({"capture": 1}, "capture", "must be true or false"),
    ({"account": "x" * 129}, "account", "is too long"),
    ({"account": ""}, "account", "must not be empty"),
    ({"context": {"ip": "x" * 65}}, "context.ip", "is too long"),
    ({"context": {"mac": "x"}}, "context.mac", "is unknown"),
    ({"context": []}, "context", "must be an object"),
    ({"return_url": "https://evil.example/"}, "return_url",
     "is not one of the service's configured return URLs"),
    ({"force": True}, "force", "is unknown")], ids=str)
def test_bad_parameters_of_authorize(broker, someone, change, field, reason):
    error = broker.service.fails("Payments.Authorize", **{**parameters_of(someone), **change})
    assert (error.name, error.parameters) == ("InvalidParameter", {"field": field, "reason": reason})


@pytest.mark.parametrize("method, parameters, field", [
    ("Payments.Capture", {"hold": "hold_x"}, "capture_id"), ("Payments.Capture", {"capture_id": "c"}, "hold"),
    ("Payments.Release", {}, "hold"), ("Payments.Get", {"account": "a"}, "payment"),
    ("Payments.Refund", {"account": "a", "payment": "p", "refund_id": "r"}, "amount"),
    ("Sessions.Begin", {}, "provider"), ("Sessions.Close", {}, "session"), ("Links.Begin", {"account": "a"}, "provider"),
    ("Links.Get", {}, "link"), ("StepUp.Get", {}, "challenge"), ("StepUp.Respond", {"challenge": "c"}, "answers"),
    ("Factors.Begin", {"account": "a"}, "kind"), ("Factors.List", {}, "account"),
    ("Lookup.ByAccount", {}, "account"), ("Lookup.BySubject", {"provider": "sandbox"}, "subject"),
    ("org.varlink.service.GetInterfaceDescription", {}, "interface")])
def test_what_is_missing_is_named(shop, method, parameters, field):
    error = shop.fails(method, **parameters)
    assert (error.name, error.parameters) == ("InvalidParameter", {"field": field, "reason": "is missing"})


@pytest.mark.parametrize("method, parameters, field", [
    ("Lookup.ByAccount", {"account": "a\u0000b"}, None), ("Lookup.ByAccount", {"account": "a\rb"}, "account"),
    ("Factors.List", {"account": "x" * 129}, "account"), ("Payments.Capture", {"hold": "h", "capture_id": "\x01"}, "capture_id"),
    ("Payments.Refund", {"account": "a", "payment": "p", "refund_id": "x" * 129, "amount": "1"}, "refund_id")])
def test_ids_have_bounds_everywhere(broker, method, parameters, field):
    client = broker.connect()
    error = client.fails(method, **parameters)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", field or "message")


# --- things that are not there, or not there for this caller -------------------------------------------------------

STRANGE_IDS = ["", "x", "{}_", "{}_x", "{}_" + "a" * 52, "{}_" + "A" * 52, "{}_" + "a" * 5000, "hold_" + "a" * 52,
               "{}_\n", "{}_é", "../{}_"]


@pytest.mark.parametrize("method, parameter, what, kind, more", [
    ("StepUp.Get", "challenge", "challenge", "chal", {}), ("StepUp.Refuse", "challenge", "challenge", "chal", {}),
    ("StepUp.Respond", "challenge", "challenge", "chal", {"answers": []}),
    ("Links.Get", "link", "link", "link", {}), ("Links.Remove", "link", "link", "link", {}),
    ("Links.Suspend", "link", "link", "link", {}), ("Links.Resume", "link", "link", "link", {}),
    ("Sessions.Close", "session", "session", "sess", {}), ("Payments.Capture", "hold", "hold", "hold", {"capture_id": "c"}),
    ("Payments.Release", "hold", "hold", "hold", {}), ("Factors.Remove", "factor", "factor", "fact", {}),
    ("Sessions.Take", "sign_in", "sign_in", "sign", {})])
def test_strange_ids_are_not_found(shop, method, parameter, what, kind, more):
    for text in STRANGE_IDS:
        error = shop.fails(method, **{parameter: text.format(kind)}, **more)
        assert error.name in ("NotFound", "InvalidParameter"), (text, error)
        if error.name == "NotFound":
            assert error.parameters == {"what": what}
        else:
            assert error.parameters["field"] == parameter


@pytest.mark.parametrize("method, parameters, what", [
    ("Links.List", {"account": "nobody"}, "account"), ("Factors.List", {"account": "nobody"}, "account"),
    ("Lookup.ByAccount", {"account": "nobody"}, "account"),
    ("Payments.Get", {"account": "nobody", "payment": "p"}, "payment"),
    ("Sessions.Begin", {"provider": "nowhere"}, "provider")])
def test_unknown_things_are_not_found(shop, method, parameters, what):
    error = shop.fails(method, **parameters)
    assert (error.name, error.parameters) == ("NotFound", {"what": what})


def test_another_accounts_challenge_and_session_are_of_no_use(person, someone):
    session = person.session()
    mine = person.authorize(session, person.payment())["challenge"]["id"]
    step = person.service.call("StepUp.Get", challenge=mine)["steps"][0]["id"]
    answer = person.service.call("StepUp.Respond", challenge=mine,
                                 answers=[{"step": step, "value": someone.totp.code()}])
    assert answer["state"] == "open"
    error = person.service.fails("Payments.Authorize", session=session, payment=person.payment(), account=someone.account)
    assert error.parameters == {"what": "account"}


def test_an_expired_challenge_takes_no_answer(broker, person):
    session = person.session()
    payment = person.payment()
    challenge = person.authorize(session, payment)["challenge"]["id"]
    step = person.service.call("StepUp.Get", challenge=challenge)["steps"][0]["id"]
    broker.clock.advance(6 * MINUTE)
    answer = person.service.call("StepUp.Respond", challenge=challenge,
                                 answers=[{"step": step, "value": person.totp.code()}])
    assert answer["state"] == "expired"
    assert person.authorize(session, payment)["outcome"] == "step_up"


# --- who asks ------------------------------------------------------------------------------------------------------

def test_callers_that_nobody_knows(broker, someone):
    stranger = broker.as_service("stranger")
    assert stranger.fails("Payments.Authorize", **parameters_of(someone)).name == "NotAuthenticated"
    body = question(someone, someone.open_session, someone.payment(id="order-bad"))
    assert ask(broker, "POST", "/access/v1/evaluation", body, "stranger")[::2] == (401, "NotAuthenticated")
    status, kind, problem = ask(broker, "GET", f"/v1/accounts/{someone.account}/links", None, "stranger")
    assert (status, kind, problem["error"]) == (401, "application/problem+json", "org.countersign.NotAuthenticated")


def test_services_are_no_admins(shop):
    for method in ("Status", "Freeze", "Reload", "Events", "SetLimit", "Account"):
        error = shop.fails("Admin." + method)
        assert (error.name, error.parameters) == ("NotPermitted", {"right": "admin"})


def test_an_admin_is_no_service(broker, someone):
    for method in ("Payments.Authorize", "StepUp.Respond", "Factors.Begin", "Links.Begin"):
        assert broker.admin.fails(method).name == "NotAuthenticated"


# --- texts ---------------------------------------------------------------------------------------------------------

def socket_says(broker, text):
    """Sends it with a good call behind it; all that is answered until the broker closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(broker.path("service.sock"))
        s.settimeout(CALL_S)
        s.sendall(text + b'\0{"method":"org.countersign.Whoami"}\0')
        data = b""
        while more := s.recv(65536):
            data += more
    return [json.loads(answer) for answer in data.split(b"\0")[:-1]]


@pytest.mark.parametrize("text, reason", BAD_TEXTS, ids=ids(BAD_TEXTS))
def test_bad_texts_on_the_socket_are_answered_once_and_end_it(broker, shop, text, reason):
    whole = text if reason in ("unknown word",) else b'{"method":"org.countersign.Sessions.Begin","parameters":' + text + b"}"
    answer, = socket_says(broker, whole)
    assert (answer["error"], answer["parameters"]["field"]) == ("org.countersign.InvalidParameter", "message")
    if not reason.startswith(("a comma", "bytes")):
        assert answer["parameters"]["reason"] == reason
    assert shop.call("Whoami")["service"] == "checkout"


@pytest.mark.parametrize("text, reason", [
    (b"", "text ends too early"), (b"[]", "a message must be an object"), (b"7", "a message must be an object"),
    (b"{}", "method must be a name"), (b'{"method":7}', "method must be a name"), (b'{"method":""}', "method must be a name"),
    (b'{"method":"' + b"a" * 256 + b'"}', "method must be a name"),
    (b'{"method":"a.b","parameters":[]}', "parameters must be an object"),
    (b'{"method":"a.b","more":1}', "more must be true or false"), (b'{"method":"a.b","trace":true}', "unknown member")])
def test_bad_messages_on_the_socket(broker, text, reason):
    answer, = socket_says(broker, text)
    assert (answer["error"], answer["parameters"]) == ("org.countersign.InvalidParameter",
                                                       {"field": "message", "reason": reason})


@pytest.mark.parametrize("name", ["nodots", ".", "org.countersign.", "org.countersign.Payments", "org.countersign.payments.Authorize",
                                  "org.countersign.Payments.AuthorizeX", "org.countersign.Payments.Authoriz", "é.x"])
def test_unknown_methods_leave_the_connection_open(broker, name):
    with broker.connect().socket as s:
        s.sendall(json.dumps({"method": name}).encode() + b'\0{"method":"org.countersign.Whoami"}\0')
        data = b""
        while data.count(b"\0") < 2:
            data += s.recv(65536)
    error, answer = [json.loads(text) for text in data.split(b"\0")[:-1]]
    assert error == {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": name}}
    assert answer["parameters"]["service"] == "checkout"


@pytest.mark.parametrize("text, reason", BAD_TEXTS, ids=ids(BAD_TEXTS))
def test_bad_texts_over_https(broker, text, reason):
    status, kind, problem = ask(broker, "POST", "/v1/sign-ins", text)
    assert (status, kind, problem["error"]) == (400, "application/problem+json", "org.countersign.InvalidParameter")
    assert (problem["field"], problem["reason"]) == ("body", reason)
    assert ask(broker, "POST", "/access/v1/evaluation", text) == (
        400, "application/json", f"InvalidParameter: body {reason}")


@pytest.mark.parametrize("method, path, body, status, member, value", [
    ("POST", "/v1/sign-ins", {}, 400, "field", "provider"),
    ("POST", "/v1/sign-ins", {"provider": 7}, 400, "field", "provider"),
    ("POST", "/v1/sign-ins", {"provider": "nowhere"}, 404, "what", "provider"),
    ("POST", "/v1/sign-ins", {"provider": "sandbox", "hurry": True}, 400, "field", "hurry"),
    ("POST", "/v1/sign-ins", b"[]", 400, "field", "body"),
    ("POST", "/v1/holds/nothing/capture", {"capture_id": "c"}, 404, "what", "hold"),
    ("POST", "/v1/holds/nothing/capture", {"hold": "other", "capture_id": "c"}, 400, "field", "hold"),
    ("GET", "/v1/challenges/chal_x", None, 404, "what", "challenge"),
    ("GET", "/v1/links/link_x", None, 404, "what", "link"),
    ("GET", "/v1/accounts/nobody/links", None, 404, "what", "account"),
    ("GET", "/v1/accounts/" + "x" * 129 + "/links", None, 400, "field", "account"),
    ("GET", "/v1/events?after=-1", None, 400, "field", "after"),
    ("GET", "/v1/events?sort=up", None, 400, "field", "sort"),
    ("GET", "/v1/events?after=1&after=2", None, 400, "field", "query"),
    ("GET", "/v1/accounts/%ff/links", None, 400, "error", "org.countersign.InvalidParameter"),
    ("GET", "/v1/accounts/a%00b/links", None, 400, "error", "org.countersign.InvalidParameter"),
    ("GET", "/nothing/here", None, 404, "error", "org.countersign.NotFound"),
    ("PUT", "/v1/sign-ins", {}, 405, "title", "Method Not Allowed"),
    ("PUT", "/v1/sign-ins", {}, 405, "error", "org.varlink.service.MethodNotFound")])
def test_bad_requests_over_https(broker, method, path, body, status, member, value):
    got, kind, problem = ask(broker, method, path, body)
    assert (got, kind, problem["status"], problem[member]) == (status, "application/problem+json", status, value)


def test_a_body_that_is_too_long(broker):
    status, _, problem = ask(broker, "POST", "/v1/sign-ins", b'{"provider":"' + b"x" * 65536 + b'"}')
    assert (status, problem["status"], problem["error"]) == (413, 413, "org.countersign.InvalidParameter")
    assert broker.web("GET", "/healthz", certificate=None)[0] == 200


@pytest.mark.parametrize("change, message", [
    ({"subject": None}, "subject must have type and id, both strings"),
    ({"subject": {"type": "account"}}, "subject must have type and id, both strings"),
    ({"subject": "me"}, "subject, action, resource and context must be objects"),
    ({"action": {}}, "action must have name, a string"),
    ({"resource": {"type": "payment"}}, "resource must have type and id, both strings")], ids=str)
def test_bad_questions_over_authzen(broker, someone, change, message):
    body = {**question(someone, someone.open_session, someone.payment(id="order-bad")), **change}
    body = {k: v for k, v in body.items() if v is not None}
    assert ask(broker, "POST", "/access/v1/evaluation", body)[::2] == (400, message)


def test_what_authzen_does_not_know_is_denied(broker, someone):
    body = question(someone, someone.open_session, someone.payment(id="order-bad"))
    for part, member in (("action", "name"), ("subject", "type"), ("resource", "type")):
        asked = {**body, part: {**body[part], member: "something"}}
        status, _, answer = ask(broker, "POST", "/access/v1/evaluation", asked)
        assert (status, answer["decision"]) == (200, False)
        assert answer["context"]["reason"] == "not_applicable"
    for subject in ({"id": "nobody"}, {"properties": {"session": "sess_x"}}):
        asked = question(someone, someone.open_session, someone.payment(id="order-bad"), **subject)
        status, _, answer = ask(broker, "POST", "/access/v1/evaluation", asked)
        assert (status, answer["decision"], answer["context"]["error"]["status"]) == (200, False, 404)
