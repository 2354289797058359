# SPDX-License-Identifier: Apache-2.0
"""The live server under bytes that no honest client sends, and honest ones that come slowly, at once, or not at all."""
import json
import re
import ssl
import threading
import time

import pytest

HOST = b"Host: a\r\n"
HANG_S = 300    # longer than any machine is slow: beyond it something hangs

REFUSED = {
    "length and chunked": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"0\r\n\r\n", 400),
    "gzip chunked": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
    "unknown coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xyz\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    "length with plus": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400),
    "space before colon": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A : 3\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: b\0c\r\n\r\n", 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "header of 10000 bytes": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"b" * 10000 + b"\r\n\r\n", 431),
    "body too large": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 70000\r\n\r\n" + b"x" * 70000, 413),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n" + HOST + b"\r\n", 505),
}


def read_all(s):
    have = b""
    while True:
        try:
            got = s.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            return have
        if not got:
            return have
        have += got


def settle(gateway):
    """What was sent before is read by the time that a later connection has its answer."""
    c = gateway.client(None)
    c.request("GET", "/countersign.js")
    assert c.getresponse().status == 200
    c.close()


@pytest.mark.parametrize("name", REFUSED)
def test_torture_is_refused_and_ends_the_connection(gateway, name):
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": True}
    sent, status = REFUSED[name]
    s = gateway.connect()
    # What stands behind it must never be taken for a request.
    s.sendall(sent + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    got = read_all(s)
    assert got.startswith(b"HTTP/1.1 %d " % status), got
    assert len(re.findall(rb"HTTP/1.1 \d", got)) == 1
    assert b"Connection: close" in got
    assert gateway.engine.calls == []


def test_pipelined_requests_are_answered_in_order(gateway):
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {"link": {"id": p["link"]}}
    s = gateway.connect()
    n = 50
    s.sendall(b"".join(b"GET /v1/links/l%d HTTP/1.1\r\nHost: a\r\n%s\r\n" %
                       (i, b"Connection: close\r\n" if i == n - 1 else b"") for i in range(n)))
    bodies = [part.split(b"\r\n\r\n", 1)[1] for part in read_all(s).split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert [json.loads(b)["link"]["id"] for b in bodies] == [f"l{i}" for i in range(n)]


def test_a_request_one_byte_at_a_time(gateway):
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": True}
    s = gateway.connect()
    for b in b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":
        s.sendall(bytes([b]))
    assert read_all(s).startswith(b"HTTP/1.1 200 ")


def test_expect_continue(gateway):
    gateway.engine.answers["org.countersign.Sessions.Begin"] = lambda p: {"sign_in": "s"}
    s = gateway.connect()
    s.sendall(b"POST /v1/sign-ins HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
              b"Content-Length: 16\r\nConnection: close\r\n\r\n")
    assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    s.sendall(b'{"provider":"p"}')
    assert read_all(s).startswith(b"HTTP/1.1 201 ")


def test_slow_request_meets_its_deadline_whatever_trickles(gateway):
    s = gateway.connect()
    s.sendall(b"GET /healthz HTTP/1.1\r\n")
    for _ in range(3):
        s.sendall(b"X-A: b\r\n")
        settle(gateway)
        gateway.clock.forward(4000)
    gateway.clock.forward(4000)
    assert read_all(s).startswith(b"HTTP/1.1 408 ")


def test_idle_connection_is_closed_without_a_word(gateway):
    s = gateway.connect()
    settle(gateway)
    gateway.clock.forward(76 * 1000)
    assert read_all(s) == b""


def test_unfinished_handshake_is_closed(gateway):
    import socket
    s = socket.create_connection(("127.0.0.1", gateway.port))
    s.sendall(b"\x16\x03\x01")
    s.settimeout(20)
    settle(gateway)
    gateway.clock.forward(11 * 1000)
    assert s.recv(100) == b""


def test_plain_http_gets_no_answer(gateway):
    import socket
    s = socket.create_connection(("127.0.0.1", gateway.port))
    s.settimeout(20)
    s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"HTTP/1.1 200" not in read_all(s)


def test_peer_that_does_not_read_is_not_read_from(gateway):
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {"link": {"pad": "x" * 30000}}
    s = gateway.connect(rcvbuf=4096)
    s.settimeout(0.5)
    request = b"GET /v1/links/l HTTP/1.1\r\nHost: a\r\nX-Pad: " + b"p" * 4000 + b"\r\n\r\n"
    sent = 0
    try:
        for sent in range(20000):
            s.sendall(request)
    except (TimeoutError, OSError):
        pass
    # Megabytes were offered; what was taken and asked is what fits into the sockets' buffers.
    assert sent < 19999
    assert len(gateway.engine.calls) < 2000
    gateway.clock.forward(31 * 1000)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            s.sendall(b"x" * 65536)
        except TimeoutError:
            continue
        except OSError:
            return
    raise AssertionError("the connection stayed open")


def test_too_many_connections_of_one_peer_are_refused_and_others_live(gateway):
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": True}
    first = gateway.client()
    first.request("GET", "/healthz")
    assert first.getresponse().read()
    held = []
    refused = 0
    for _ in range(140):
        try:
            held.append(gateway.connect())
        except (ssl.SSLError, OSError):
            refused += 1
    assert refused >= 140 - 128
    first.request("GET", "/healthz")
    assert first.getresponse().status == 200
    for s in held:
        s.close()


def test_client_that_leaves_while_it_waits(gateway):
    asked, go = threading.Event(), threading.Event()

    def slow(p):
        asked.set()
        go.wait(20)
        return {"link": {"id": "l"}}
    gateway.engine.answers["org.countersign.Links.Get"] = slow
    s = gateway.connect()
    s.sendall(b"GET /v1/links/l HTTP/1.1\r\nHost: a\r\n\r\n")
    assert asked.wait(20)
    s.close()
    go.set()
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": True}
    c = gateway.client()
    c.request("GET", "/healthz")
    assert c.getresponse().status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(gateway, version):
    context = gateway.context()
    context.minimum_version = context.maximum_version = version
    import socket
    with context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port)), server_hostname="127.0.0.1") as s:
        s.sendall(b"GET /countersign.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_all(s).startswith(b"HTTP/1.1 200 ")


def test_old_tls_is_refused(gateway):
    import socket
    import warnings
    context = gateway.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port)), server_hostname="127.0.0.1")


def test_certificate_of_a_stranger_is_refused(gateway):
    """Its issuer bears the name of our CA; the signature is another's or the key does not fit."""
    s = None
    with pytest.raises((ssl.SSLError, OSError)):
        s = gateway.connect("stranger")
        s.sendall(b"GET /v1/whoami HTTP/1.1\r\nHost: a\r\n\r\n")
        if not s.recv(100):
            raise OSError("closed")
    assert gateway.engine.calls == []


def test_engine_gone_is_unavailable_and_comes_back(gateway):
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {"link": {"id": "l"}}
    c = gateway.client()
    gateway.engine.stop()
    c.request("GET", "/v1/links/l")
    r = c.getresponse()
    assert r.status == 503 and r.headers["Retry-After"] == "1"
    assert json.loads(r.read())["error"] == "org.countersign.Unavailable"
    gateway.engine.start()
    deadline = time.monotonic() + 20
    status = 0
    while status != 200 and time.monotonic() < deadline:
        c.request("GET", "/v1/links/l")
        r = c.getresponse()
        r.read()
        status = r.status
    assert status == 200


def test_engine_that_breaks_off_in_the_middle(gateway):
    from fake_engine import Drop

    def drop(p):
        raise Drop()
    gateway.engine.answers["org.countersign.Links.Get"] = drop
    c = gateway.client()
    c.request("GET", "/v1/links/l")
    assert c.getresponse().status == 503


def test_silent_engine_meets_the_deadline(gateway):
    from fake_engine import Silence
    asked = threading.Event()

    def silent(p):
        asked.set()
        raise Silence()
    gateway.engine.answers["org.countersign.Links.Get"] = silent
    c = gateway.client()
    c.request("GET", "/v1/links/l")
    assert asked.wait(20)
    gateway.clock.forward(6000)
    assert c.getresponse().status == 503
    # The connection to the engine owes an answer; it is given up, and the next one works.
    gateway.clock.forward(6000)
    assert gateway.engine.silent_ended.wait(HANG_S)
    gateway.engine.answers["org.countersign.Internal.Health"] = lambda p: {"ok": True}
    d = gateway.client()
    d.request("GET", "/healthz")
    assert d.getresponse().status == 200


def test_slow_calls_do_not_hold_up_fast_ones(gateway):
    """Judged by what happens while the slow ones wait, not by how long it takes: the gateway's time stands still."""
    go, slow_asked = threading.Event(), threading.Semaphore(0)

    def slow(p):
        slow_asked.release()
        assert go.wait(HANG_S)
        return {"sign_in": "s"}
    gateway.engine.answers["org.countersign.Sessions.Begin"] = slow
    gateway.engine.answers["org.countersign.Links.Get"] = lambda p: {"link": {"id": "l"}}
    waiting = []
    with gateway.clock.still():
        try:
            for _ in range(40):
                c = gateway.client(timeout=HANG_S)
                c.request("POST", "/v1/sign-ins", '{"provider":"p"}', {"Content-Type": "application/json"})
                waiting.append(c)
            for _ in range(32):
                assert slow_asked.acquire(timeout=HANG_S)
            c = gateway.client(timeout=HANG_S)
            c.request("GET", "/v1/links/l")
            assert c.getresponse().status == 200
            assert len(gateway.engine.asked("org.countersign.Sessions.Begin")) == 32
        finally:
            go.set()
        assert [c.getresponse().status for c in waiting] == [201] * 40


def test_drain_answers_what_is_in_flight():
    from harness import Gateway
    import signal
    g = Gateway()
    asked, go = threading.Event(), threading.Event()

    def slow(p):
        asked.set()
        go.wait(20)
        return {"link": {"id": "l"}}
    g.engine.answers["org.countersign.Links.Get"] = slow
    idle, c = g.connect(), g.client()
    c.request("GET", "/v1/links/l")
    assert asked.wait(20)
    g.process.send_signal(signal.SIGTERM)
    assert read_all(idle) == b""
    go.set()
    assert c.getresponse().status == 200
    assert g.process.wait(20) == 0
    g.stop()


def test_ends_with_its_parent():
    from harness import Gateway
    g = Gateway()
    g.control.close()
    assert g.process.wait(20) == 0
    g.stop()
