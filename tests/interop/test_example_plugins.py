# SPDX-License-Identifier: Apache-2.0
"""The examples for authors do what their README says: a provider and a factor in C. The program is in test_executable.py."""
import http.server
import os
import shutil
import socketserver
import subprocess
import threading

import pytest

from sinks import certificates
from worker_process import BUILD, Refused, now_ms

SOURCE = os.environ.get("CS_SRCDIR", os.getcwd())


def test_they_are_short():
    for name in ("door.c", "tan.c"):
        with open(os.path.join(SOURCE, "plugins", "example", name)) as f:
            assert len(f.readlines()) < 150


# --- tan ---

@pytest.fixture
def tan(start_worker):
    return start_worker("tan", "factor", 'set codes "3"').connect()


def verify(connection, secret, answer, last_step):
    got = connection.call("Verify", request="r1", deadline_ms=1000, secret=secret, answer=answer, last_step=last_step, now_ms=1)
    return got["verdict"], got["step"]


def test_codes_of_a_list_are_right_in_their_order(tan):
    enrolled = tan.call("Enrol", request="r1", deadline_ms=1000, account_hint="a", issuer="i", now_ms=1)
    shown, asked = enrolled["steps"]
    assert asked == {"type": "code", "digits": 6}
    codes = [line.split(": ")[1] for line in shown["text"].split("\n")]
    assert len(codes) == 3 and all(len(code) == 6 and code.isdigit() for code in codes)
    secret = enrolled["secret"]
    assert verify(tan, secret, codes[0], -1) == (True, 0)
    assert verify(tan, secret, codes[2], 0) == (True, 2)
    assert verify(tan, secret, codes[1], 2) == (False, -1)
    assert verify(tan, secret, codes[0][:5], -1) == (False, -1)
    wrong = "000000" if "000000" not in codes else "000001"
    assert verify(tan, secret, wrong, -1) == (False, -1)


def test_two_lists_differ(tan):
    first, second = (tan.call("Enrol", request="r1", deadline_ms=1000, account_hint="a", issuer="i", now_ms=1)["secret"]
                     for _ in range(2))
    assert first != second


# --- door ---

PASSWORD = "a password of the portal"


class _Portal(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    status, line, heard = 200, "", None


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard = (self.path, self.headers["Authorization"], body)
        answer = self.server.line.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    keys = certificates(tmp_path_factory.mktemp("portal"))
    server = _Portal(("127.0.0.1", 0), _Handler)
    server.socket = keys.good.wrap_socket(server.socket, server_side=True)
    server.url, server.ca = f"https://127.0.0.1:{server.server_address[1]}", keys.ca
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def door(start_worker, portal, tmp_path):
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    return start_worker("door", "provider", f'set portal "{portal.url}" set ca-file "{portal.ca}" set password file "{password}"').connect()


def identify(connection, now=1800000000000, **changes):
    return connection.call("Identify", **{"request": "r1", "deadline_ms": 5000, "nonce": "n1", "client_ids": ["shop"], "code": "c1",
                                          "code_verifier": "v1", "now_ms": now, **changes})


def test_a_person_who_signed_in(door, portal):
    url = door.call("AuthorizationUrl", request="r1", deadline_ms=1000, state="s", nonce="n", code_challenge="c",
                    redirect_uri="https://x.test/", client_id="shop")["url"]
    assert url == portal.url + "/sign-in?state=s&nonce=n&challenge=c&client=shop"
    portal.status, portal.line = 200, "alice n1 shop 1799999999"
    got = identify(door)
    assert got == {"request": "r1", "issuer": portal.url, "subject": "alice", "audience": "shop", "nonce": "n1",
                   "auth_time": 1799999999000, "issued_at": 1799999999000, "expires_at": 1800000059000}
    assert portal.heard == ("/who", "Bearer " + PASSWORD, "c1 v1")


@pytest.mark.parametrize("status, line, error, reason", [
    (403, "", "Refused", "bad_code"),
    (500, "", "Failed", "unreachable"),
    (302, "alice n1 shop 1799999999", "Failed", "unreachable"),
    (200, "", "Refused", "provider_error"),
    (200, "alice n1 shop", "Refused", "provider_error"),
    (200, "alice n1 shop 1799999999 more", "Refused", "provider_error"),
    (200, "alice n2 shop 1799999999", "Refused", "bad_nonce"),
    (200, "alice n1 other 1799999999", "Refused", "bad_audience"),
    (200, "alice n1 shop 1800000006", "Refused", "not_yet_valid"),
    (200, "alice n1 shop 1799999939", "Refused", "expired"),
    (200, "x" * 6000, "Failed", "full"),
])
def test_what_it_does_not_believe(door, portal, status, line, error, reason):
    portal.status, portal.line = status, line
    with pytest.raises(Refused) as refused:
        identify(door)
    assert (refused.value.error, refused.value.reason) == (error, reason)


def test_an_id_token_is_none_of_the_portals(door):
    with pytest.raises(Refused) as refused:
        door.call("Identify", request="r1", deadline_ms=5000, nonce="n1", client_ids=["shop"], id_token="t", now_ms=now_ms())
    assert refused.value.reason == "bad_token"


@pytest.mark.parametrize("path, more", [
    (os.path.join(BUILD, "plugins", ".libs", "door.so"), []),
    (os.path.join(BUILD, "plugins", ".libs", "tan.so"), []),
    (os.path.join(SOURCE, "plugins", "example", "hours.py"), ["--with", "cage { processes yes }"])])
def test_they_pass_what_is_tried_against_any_plugin(path, more, tmp_path):
    copy = tmp_path / os.path.basename(path)
    shutil.copyfile(path, copy)
    copy.chmod(0o755)
    done = subprocess.run([os.path.join(BUILD, "countersignctl"), "plugin", "test", "--libexec", BUILD, *more, str(copy)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 failed" in done.stdout
