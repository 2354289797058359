# SPDX-License-Identifier: Apache-2.0
"""Attacks at the doors: who may come in, and what input must not do to the others who are inside."""
import json
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

from harness import BUILD, CALL_S

WHOAMI = b'{"method":"org.countersign.Whoami"}\0'
NOBODY = 65534


def raw(broker, name="service.sock"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(CALL_S)
    s.connect(broker.path(name))
    return s


def read_to_end(s):
    """What the broker says until it closes the connection."""
    said = b""
    try:
        while data := s.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


def served(broker):
    """Another client is served, at once."""
    began = time.monotonic()
    assert broker.connect().call("Whoami")["service"] == "checkout"
    assert time.monotonic() - began < 5


# --- X3 ---

AS_NOBODY = """
import json, socket, sys
for name in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    try:
        s.connect(name)
        s.sendall(b'{"method":"org.countersign.Admin.Status"}\\0')
        s.sendall(b'{"method":"org.countersign.Payments.Get","parameters":{"account":"a","payment":"p"}}\\0')
        said = b""
        while said.count(b"\\0") < 2:
            data = s.recv(65536)
            if not data:
                break
            said += data
        print(json.dumps([m.get("error", "answered") for m in map(json.loads, said.split(b"\\0")[:-1])]))
    except PermissionError:
        print(json.dumps("shut"))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
def test_X3_another_user_finds_every_door_shut(broker, log):
    """Not even the files' modes are left to chance: the directory is opened, so that each socket stands for itself."""
    doors = ["service.sock", "admin.sock", "run/gateway.sock", "run/worker-totp.sock", "run/worker-sandbox.sock"]
    os.chmod(broker.dir, 0o755)
    try:
        out = subprocess.run(["/usr/bin/python3", "-c", AS_NOBODY, *map(broker.path, doors)], user=NOBODY,
                             group=NOBODY, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=CALL_S,
                             check=True).stdout
    finally:
        os.chmod(broker.dir, 0o700)
    said = dict(zip(doors, map(json.loads, out.splitlines())))
    refusals = said.pop("service.sock")
    assert set(said.values()) == {"shut"}, said
    assert [r.rpartition(".")[2] for r in refusals][1] == "NotAuthenticated"
    assert refusals[0].rpartition(".")[2] in ("NotAuthenticated", "NotPermitted")
    log.strangers(None, "not_authenticated")


def test_X3_sockets_are_closed_to_others(broker):
    assert os.stat(broker.path("admin.sock")).st_mode & 0o777 == 0o600
    assert os.stat(broker.path("run")).st_mode & 0o077 & ~0o011 == 0
    for name in os.listdir(broker.path("run")):
        assert os.stat(broker.path("run/" + name)).st_mode & 0o077 == 0, name


@pytest.mark.parametrize("method", ["Admin.Status", "Admin.Thaw", "Admin.SetLimit", "Internal.Forward",
                                    "Internal.PageOpen", "Internal.BrowserCallback"])
def test_X3_a_service_is_no_admin_and_no_gateway(shop, log, method):
    assert shop.fails(method).name == "NotPermitted"
    log.strangers("checkout", "not_permitted")


def test_X3_workers_are_asked_by_nobody(shop):
    assert shop.fails("Worker.Identify").name in ("MethodNotFound", "NotPermitted", "InterfaceNotFound")


# --- X4 ---

ESCAPES = ["\x1b[2J", "a\x07b", "a\x9bb", "a\nlevel=error forged", "\u202egnp"]


@pytest.mark.parametrize("text", ESCAPES, ids=ascii)
def test_X4_escapes_come_in_by_no_name(broker, person, log, text):
    client = broker.connect()
    for method, parameters, field in (
            ("Factors.Begin", {"account": text, "kind": "totp"}, "account"),
            ("Factors.Begin", {"account": "a", "kind": "totp", "label": text}, "label"),
            ("Links.Suspend", {"link": person.link_id, "reason": text}, "reason")):
        error = client.fails(method, **parameters)
        assert (error.name, error.parameters["field"]) == ("InvalidParameter", field)
    error = broker.admin.fails("Admin.Freeze", scope="broker", reason=text)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "reason")
    assert log.events(person.account, "link_suspended") == []


@pytest.mark.parametrize("text", ESCAPES, ids=ascii)
def test_X4_escapes_in_claims_reach_no_terminal(broker, shop, nobody, text):
    """A name that the user chose at the provider, with a terminal's commands in it: the link is made without it."""
    nobody.enrol()
    claims = {"email": text, "name": text, "preferred_username": text}
    proposed = nobody.propose(overrides=claims)
    assert proposed["outcome"] == "step_up"
    nobody.confirm(proposed["challenge"]["id"])
    for arguments in (["events"], ["--json", "events"], ["link", "show", proposed["link"]["id"]],
                      ["account", "show", nobody.account]):
        command = [os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), *arguments]
        shown = subprocess.run(command, capture_output=True, timeout=CALL_S)
        printed = shown.stdout.decode() + shown.stderr.decode()
        assert shown.returncode == 0, printed
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", printed.replace("\n", "")), arguments
    assert not re.search("[\x1b\x07\x9b]", broker.log())


# --- X8: the Unix socket ---

@pytest.mark.parametrize("what", ["endless", "deep", "garbage", "empty", "many members", "not an object"])
def test_X8_a_bad_message_hurts_its_sender_only(broker, what):
    message = {"endless": b"a" * (1 << 20),
               "deep": b'{"method":"org.countersign.Whoami","parameters":' + b'{"a":' * 5000 + b"1" + b"}" * 5001 +
               b"\0",
               "garbage": os.urandom(4000).replace(b"\0", b"x") + b"\0", "empty": b"\0" * 1000,
               "many members": b"{" + b",".join(b'"%d":1' % i for i in range(8000)) + b"}\0",
               "not an object": b"[" + b"1," * 500 + b"1]\0"}[what]
    s = raw(broker)
    try:
        s.sendall(message)
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    said = read_to_end(s)
    for answer in said.split(b"\0")[:-1]:
        assert "error" in json.loads(answer)
    assert len(said) < 1 << 16
    served(broker)


def test_X8_a_message_byte_by_byte_is_a_message(broker):
    s = raw(broker)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for i, byte in enumerate(WHOAMI):
        s.sendall(bytes([byte]))
        if i == len(WHOAMI) // 2:
            served(broker)
    assert json.loads(s.recv(65536).rstrip(b"\0"))["parameters"]["service"] == "checkout"


def test_X8_half_a_message_is_given_up(broker):
    """It never ends: others are served meanwhile, and the connection is closed when its time is over."""
    halves = [raw(broker) for _ in range(100)]
    for s in halves:
        s.sendall(WHOAMI[:-1])
    served(broker)
    broker.clock.advance(11 * 60_000)
    for s in halves:
        assert read_to_end(s) == b""
    served(broker)


def test_X8_what_is_pipelined_is_answered_in_order(broker, person):
    s = raw(broker)
    calls = [WHOAMI, b'{"method":"org.countersign.Nowhere"}\0',
             json.dumps({"method": "org.countersign.Lookup.ByAccount",
                         "parameters": {"account": person.account}}).encode() + b"\0"] * 100
    s.sendall(b"".join(calls))
    s.shutdown(socket.SHUT_WR)
    answers = [json.loads(a) for a in read_to_end(s).split(b"\0")[:-1]]
    assert len(answers) == 300
    for i in range(0, 300, 3):
        assert answers[i]["parameters"]["service"] == "checkout" and "error" in answers[i + 1]
        assert answers[i + 2]["parameters"]["account"] == person.account


def test_X8_a_peer_that_does_not_read_is_not_read_from(broker):
    """It writes until its own buffers are full; the broker keeps a bounded part, and serves the others."""
    s = raw(broker)
    s.setblocking(False)
    written = 0
    try:
        while written < 64 << 20:
            written += s.send(WHOAMI * 500)
    except BlockingIOError:
        pass
    assert written < 64 << 20
    served(broker)
    broker.clock.advance(60_000)
    served(broker)


def test_X8_a_crowd_at_the_door_stops_nobody_inside(broker, shop):
    """More connections than there is room for: who is inside is served, and when they leave so is everybody."""
    crowd = []
    served(broker)
    shop.call("Whoami")
    broker.admin.call("Admin.Status")
    try:
        for _ in range(1100):
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            crowd.append(s)
            try:
                s.connect(broker.path("service.sock"))
            except BlockingIOError:
                pass
        assert shop.call("Whoami")["service"] == "checkout"
        assert broker.admin.call("Admin.Status")["realm"] == "test"
    finally:
        for s in crowd:
            s.close()
    served(broker)


# --- X8: HTTPS ---

def tls(broker, certificate="checkout"):
    context = ssl.create_default_context(cafile=broker.path("ca.crt"))
    context.load_cert_chain(broker.path(certificate + ".crt"), broker.path(certificate + ".key"))
    s = socket.create_connection(("127.0.0.1", broker.port), timeout=CALL_S)
    return context.wrap_socket(s, server_hostname="127.0.0.1")


def web_is_served(broker):
    status, _, body = broker.web("GET", "/healthz", certificate=None)
    assert (status, json.loads(body)) == (200, {"ok": True})


def test_X8_slow_requests_hold_up_nobody(broker):
    """Handshakes that never come, headers that never end, bodies that never arrive."""
    silent = [socket.create_connection(("127.0.0.1", broker.port)) for _ in range(10)]
    slow = [tls(broker) for _ in range(5)]
    for s in slow:
        s.sendall(b"POST /v1/sign-ins HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{")
    drip = tls(broker)
    for byte in b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
        drip.sendall(bytes([byte]))
    web_is_served(broker)
    served(broker)
    for s in [*silent, *slow, drip]:
        s.close()


@pytest.mark.parametrize("request_", [
    b"POST /v1/sign-ins HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
    b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"\x00\xff" * 5000], ids=["long body", "long header", "long path", "two framings", "two lengths", "garbage"])
def test_X8_bad_requests_end_their_connection_only(broker, request_):
    s = tls(broker)
    try:
        s.sendall(request_)
    except OSError:
        pass
    try:
        said = s.recv(65536)
    except OSError:
        said = b""
    assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), said[:80]
    s.close()
    web_is_served(broker)


def test_X8_a_deep_body_is_refused(broker):
    body = b'{"provider":' + b"[" * 5000 + b"]" * 5000 + b"}"
    status, _, _ = broker.web("POST", "/v1/sign-ins", body, headers={"Content-Type": "application/json"})
    assert status == 400
    web_is_served(broker)


def test_X8_pipelined_requests_are_answered_in_order(broker):
    s = tls(broker)
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
              b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    said = b""
    while data := s.recv(65536):
        said += data
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"200", b"404", b"200"]
