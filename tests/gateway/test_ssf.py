# SPDX-License-Identifier: Apache-2.0
"""POST /ssf/{provider}: what is passed on, what is refused before anybody looks at it, and how each answer is told."""
import base64
import threading

import pytest

from fake_engine import Error

METHOD = "org.countersign.Internal.SignalPush"
SET = "application/secevent+jwt"
ERRORS = ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied",
          "invalid_state"]


@pytest.fixture
def push(gateway, ask):
    gateway.engine.answers[METHOD] = lambda p: {"state": "taken"}

    def run(body="eyJ.eyJ.c2ln", provider="apple", type=SET, **headers):
        if type:
            headers["Content-Type"] = type
        return ask("POST", f"/ssf/{provider}", body, {k.replace("_", "-"): v for k, v in headers.items()}, certificate=None)
    return run


def refused(r, err="invalid_request"):
    assert r.status == 400 and r.json["err"] == err and r.json["description"], r.body
    assert set(r.json) == {"err", "description"}
    assert r.headers["Content-Type"] == "application/json" and r.headers["Content-Language"] == "en"
    assert r.headers["Cache-Control"] == "no-store"
    return True


def passed_on(gateway):
    return [c["parameters"] for c in gateway.engine.asked(METHOD)]


def test_a_token_is_passed_on_as_it_came_and_taken(gateway, push):
    body = bytes(range(256)) * 4
    r = push(body, "google", Authorization="Bearer abc")
    assert r.status == 202 and r.body == b"" and "Content-Type" not in r.headers
    asked, = passed_on(gateway)
    assert asked == {"provider": "google", "body": base64.urlsafe_b64encode(body).decode().rstrip("="), "content_type": SET,
                     "authorization": "Bearer abc", "ip": "127.0.0.1"}


def test_apples_wrapping_and_parameters_of_the_type(gateway, push):
    assert push('{"payload":"x"}', type="Application/JSON; charset=utf-8").status == 202
    asked, = passed_on(gateway)
    assert asked["content_type"] == "application/json" and "authorization" not in asked


@pytest.mark.parametrize("err", ERRORS)
def test_a_refusal_is_told_in_its_own_word(gateway, push, err):
    gateway.engine.answers[METHOD] = lambda p: {"state": "refused", "err": err, "description": "say \"no\""}
    r = push()
    assert refused(r, err) and r.json["description"] == 'say "no"'


def test_an_unknown_word_is_an_invalid_request(gateway, push):
    gateway.engine.answers[METHOD] = lambda p: {"state": "refused", "err": "account_unknown", "description": "d"}
    assert refused(push())


@pytest.mark.parametrize("what", [dict(type=None), dict(type="text/plain"), dict(type="application/jwt"), dict(body=""),
                                  dict(body="x" * 16385), dict(Content_Encoding="gzip"), dict(Authorization="x" * 4097)])
def test_the_outside_is_looked_at_first(gateway, push, what):
    assert refused(push(**what))
    assert gateway.engine.calls == []


def test_the_largest_body_is_taken(gateway, push):
    assert push("x" * 16384).status == 202


def test_a_provider_that_is_badly_encoded(gateway, push):
    assert refused(push(provider="%ff"))
    assert gateway.engine.calls == []


def test_an_authorization_given_twice_is_ambiguous(gateway):
    s = gateway.connect(None)
    s.sendall(b"POST /ssf/apple HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\nContent-Length: 0\r\n\r\n")
    assert s.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert gateway.engine.calls == []


@pytest.mark.parametrize("error,status", [("NotFound", 404), ("TooMany", 429), ("Unavailable", 503), ("InvalidParameter", 400)])
def test_errors_of_the_engine(gateway, push, error, status):
    def answer(p):
        raise Error("org.countersign." + error, what="x", retry_after_ms=2000)
    gateway.engine.answers[METHOD] = answer
    r = push()
    assert r.status == status
    if status == 400:
        refused(r)
    else:
        assert r.json["error"] == "org.countersign." + error
        assert status == 404 or r.headers["Retry-After"] == "2"


def test_an_answer_that_says_nothing_is_no_promise(gateway, push):
    gateway.engine.answers[METHOD] = lambda p: {"state": "perhaps"}
    assert push().status == 503


def test_other_methods_are_not_for_this_path(ask):
    r = ask("GET", "/ssf/apple", certificate=None)
    assert r.status == 405 and r.headers["Allow"] == "POST"


def test_one_peer_does_not_take_all_places(gateway, push):
    """Six pushes wait; the seventh is told to come again, until the broker has done with the others: going away frees nothing."""
    asked, gate, waiting = threading.Semaphore(0), threading.Event(), []

    def slow(p):
        asked.release()
        gate.wait(30)
        return {"state": "taken"}
    gateway.engine.answers[METHOD] = slow
    for _ in range(6):
        c = gateway.client(None)
        c.request("POST", "/ssf/apple", "x", {"Content-Type": SET})
        waiting.append(c)
    for _ in range(6):
        assert asked.acquire(timeout=20)
    r = push()
    assert r.status == 429 and "Retry-After" in r.headers
    waiting.pop().close()
    gateway.engine.answers[METHOD] = lambda p: {"state": "taken"}
    assert push().status == 429
    gate.set()
    assert [c.getresponse().status for c in waiting] == [202] * 5
    assert push().status == 202
    for c in waiting:
        c.close()


def test_nothing_of_a_message_is_logged(gateway, push):
    push("very-secret-token", Authorization="Bearer other-secret")
    log = gateway.log_text()
    assert "route=/ssf/{provider} status=202" in log
    assert "very-secret" not in log and "other-secret" not in log
