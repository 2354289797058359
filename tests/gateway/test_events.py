# SPDX-License-Identifier: Apache-2.0
"""Server-sent events of a challenge: at once, at each change, to the end; a reader that goes is noticed, one that stays is kept."""
import json
import queue

import pytest

from fake_engine import Error

METHOD = "org.countersign.StepUp.Watch"
PATH = "/v1/challenges/chal_1/events"


@pytest.fixture
def states(gateway):
    """Puts a state, and the engine tells it; None: the engine closes the connection."""
    gateway.engine.watches[METHOD] = told = queue.Queue()
    gateway.engine.watch_ended.clear()
    yield told
    gateway.engine.watches.clear()


class Stream:
    def __init__(self, gateway, path=PATH, certificate="service"):
        self.socket = gateway.connect(certificate)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        self.buffer = b""

    def until(self, end):
        while end not in self.buffer:
            got = self.socket.recv(4096)
            if not got:
                raise EOFError(self.buffer)
            self.buffer += got
        text, self.buffer = self.buffer.split(end, 1)
        return text.decode()

    def event(self):
        lines = self.until(b"\n\n").split("\n")
        assert lines[0] == "event: state" and lines[1].startswith("data: ")
        return json.loads(lines[1][6:])["state"]


def test_each_change_and_the_end(gateway, states):
    states.put("open")
    s = Stream(gateway)
    head = s.until(b"\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 ") and "Content-Type: text/event-stream" in head
    assert "Content-Length" not in head and "Connection: close" in head and "Cache-Control: no-store" in head
    assert s.event() == "open"
    states.put("done")
    assert s.event() == "done"
    with pytest.raises(EOFError):
        s.until(b"x")
    assert gateway.engine.asked(METHOD)[0]["forwarded"]["certificate_sha256"] == gateway.fingerprint
    assert gateway.engine.asked(METHOD)[0]["parameters"] == {"challenge": "chal_1"}


def test_a_service_is_needed(gateway, states):
    for certificate in (None,):
        s = Stream(gateway, certificate=certificate)
        assert "401" in s.until(b"\r\n")
    assert gateway.engine.asked(METHOD) == []


def test_an_error_is_a_problem(gateway, ask):
    def fails(p):
        raise Error("org.countersign.NotFound", what="challenge")
    gateway.engine.answers[METHOD] = fails
    r = ask("GET", PATH)
    assert r.status == 404 and r.headers["Content-Type"] == "application/problem+json"


def test_heartbeats(gateway, states):
    states.put("open")
    s = Stream(gateway)
    s.until(b"\r\n\r\n")
    assert s.event() == "open"
    for _ in range(3):
        gateway.clock.forward(15_500)
        assert s.until(b"\n\n") == ":"
    states.put("refused")
    assert s.event() == "refused"


def test_it_ends_after_a_quarter_of_an_hour(gateway, states):
    states.put("open")
    s = Stream(gateway)
    assert "200" in s.until(b"\r\n\r\n") and s.event() == "open"
    gateway.clock.forward(16 * 60_000)
    with pytest.raises((EOFError, ConnectionError)):
        s.until(b"x" * 9)


def test_a_reader_that_goes_frees_its_place(gateway, states):
    states.put("open")
    s = Stream(gateway)
    s.until(b"\r\n\r\n")
    assert s.event() == "open"
    s.socket.close()
    assert gateway.engine.watch_ended.wait(10)


def test_a_broken_engine_breaks_the_stream(gateway, states):
    states.put("open")
    s = Stream(gateway)
    s.until(b"\r\n\r\n")
    assert s.event() == "open"
    states.put(None)
    with pytest.raises(EOFError):
        s.until(b"x" * 9)
    states.put("open")
    again = Stream(gateway)
    again.until(b"\r\n\r\n")
    assert again.event() == "open"


def test_no_more_than_there_are_places(gateway, ask, states):
    """All places are taken; whoever comes then is told so at once, and the rest of the gateway goes on."""
    def fresh():
        told = queue.Queue()
        told.put("open")
        return told
    gateway.engine.watches[METHOD] = fresh
    gateway.engine.answers["org.countersign.Whoami"] = lambda p: {"service": "x"}
    streams = []
    for _ in range(96):
        streams.append(Stream(gateway))
        assert "200" in streams[-1].until(b"\r\n")
    assert "503" in Stream(gateway).until(b"\r\n")
    assert ask("GET", "/v1/whoami").status == 200
    gateway.engine.watch_ended.clear()
    streams.pop().socket.close()
    assert gateway.engine.watch_ended.wait(10)
    assert "200" in Stream(gateway).until(b"\r\n")
    for s in streams:
        s.socket.close()
