# SPDX-License-Identifier: Apache-2.0
"""Plugins that are programs: what they answer, what they may ask of their host, and what their misbehaviour costs."""

import http.server
import importlib.util
import json
import os
import re
import shutil
import socketserver
import ssl
import subprocess
import threading
import time

import pytest

from sinks import certificates
from worker_process import BUILD, Gone, Refused, now_ms

SOURCE = os.environ.get("CS_SRCDIR", os.getcwd())
DEADLINE_MS = 600
CAGE = "cage { processes yes }\n    "


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The programs where nobody else may write to them."""
    directory = tmp_path_factory.mktemp("programs")

    def install(path):
        to = directory / os.path.basename(path)
        shutil.copyfile(os.path.join(SOURCE, path), to)
        to.chmod(0o755)
        return str(to)

    return install


@pytest.fixture
def odd(start_worker, installed):
    def start(kind, settings="", **rest):
        return start_worker(installed("tests/interop/odd_program.py"), kind, CAGE + settings, **rest)

    return start


def identify(connection, token="alice", deadline_ms=5000):
    return connection.call("Identify", deadline_ms=deadline_ms, request="r1", nonce="n1", client_ids=["web", "app"],
                           id_token=token, now_ms=now_ms())


def test_a_provider(odd):
    connection = odd("provider").connect()
    said = connection.call("Describe", request="r1", deadline_ms=1000)
    assert said == {"request": "r1", "name": "odd", "kinds": ["provider", "factor", "risk", "notify", "token"], "version": "1",
                    "factor_kind": "odd", "begins": True, "sends": False, "tells": True, "stable_subject": True,
                    "honours_max_age": False, "code_alone": False, "code_parameter": "red", "signals": True, "polls": True,
                    "streams": True, "rekeys": True, "controls": ["phone:+86"]}
    got = identify(connection)
    assert (got["request"], got["subject"], got["audience"], got["nonce"]) == ("r1", "alice", "web", "n1")
    assert got["evidence"] == ["phone 1731000000 +8613812345678", "email 0"]
    assert (got["was_issuer"], got["was_subject"]) == ("https://odd.test", "before")
    url = connection.call("AuthorizationUrl", request="r1", deadline_ms=1000, state="s", nonce="n", code_challenge="c",
                          redirect_uri="https://x.test/", client_id="web")
    assert url["url"] == "https://x.test/?s"


def test_it_runs_from_sealed_memory(odd):
    worker = odd("provider", sealed=True)
    assert identify(worker.connect())["subject"] == "alice"


def test_signals_and_what_belongs_to_them(odd):
    connection = odd("provider").connect()
    call = {"request": "r1", "deadline_ms": 5000, "now_ms": now_ms()}
    got = connection.call("Signal", body="aGk", client_ids=["web"], content_type="application/secevent+jwt", **call)
    assert got == {"request": "r1", "issuer": "https://odd.test", "id": "j", "audience": "web", "issued_at": 1, "events": [
        {"name": "session-revoked", "issuer": "https://odd.test", "subject": "aGk", "at": 2}, {"name": "other"}]}
    got = connection.call("Poll", taken=["a", "bc"], refused=[], **call)
    assert got == {"request": "r1", "sets": [{"id": "a", "set": "YQ"}, {"id": "bc", "set": "YmM"}], "more": True}
    for action in ("status", "create", "verify", "delete"):
        got = connection.call("Stream", action=action, endpoint="https://x.test/", state="s", **call)
        assert json.loads(got["document"]) == {"action": action}
    got = connection.call("Rekey", issuer="i", subject="s", client_id="web", **call)
    assert (got["issuer"], got["subject"]) == ("i", "s-new")


def test_a_factor(odd):
    connection = odd("factor").connect()
    call = {"request": "r1", "deadline_ms": 5000, "now_ms": now_ms()}
    begun = connection.call("Enrol", account_hint="a", issuer="i", **call)
    assert begun == {"request": "r1", "secret": "AHNlY3JldA", "steps": [
        {"type": "show", "uri": "otpauth://totp/x"}, {"type": "code", "label": "Code", "digits": 6}]}
    verify = {**call, "secret": begun["secret"], "last_step": 4}
    assert connection.call("Verify", answer="right", **verify) == {"request": "r1", "verdict": True, "step": 5}
    assert connection.call("Verify", answer="wrong", **verify) == {"request": "r1", "verdict": False, "step": -1}
    more = connection.call("Begin", secret=begun["secret"], challenge="Y2hhbGxlbmdl", operation="spend", card="{}", number=2, **call)
    assert (more["state"], more["destination"], more["steps"]) == ("Mg", "+86 138****", [{"type": "text", "label": "?"}])
    more = connection.call("Verify", answer="more", challenge="Y2hhbGxlbmdl", operation="spend", card="{}", state="Mg", **verify)
    assert (more["more"], more["state"]) == (True, "cw")
    assert more["steps"] == [{"type": "choice", "label": "Which?", "choices": ["one", "two"]}, {"type": "approve"}]
    assert connection.call("Tell", secret=begun["secret"], message="{}", **call) == {"request": "r1"}


def test_risk_notices_and_tokens(odd):
    call = {"request": "r1", "deadline_ms": 5000, "now_ms": now_ms()}
    ages = {"factors": 1, "account_age_ms": 0, "link_age_ms": -1, "session_age_ms": 5}
    asked = {"service": "checkout", "operation": "spend", "account": "0" * 32, **ages, **call}
    risk = odd("risk").connect()
    assert risk.call("Assess", amount=42, currency="CNY", digits=2, **asked) == {"request": "r1", "score": 42, "reason": "because"}
    with pytest.raises(Refused) as refused:
        risk.call("Assess", amount=101, currency="CNY", digits=2, **asked)
    assert (refused.value.error, refused.value.reason) == ("Failed", "garbage")
    assert odd("notify").connect().call("Deliver", id="n1", document="{}", **call) == {"request": "r1"}


def test_settings_reach_it_and_are_checked_before(odd, tmp_path):
    secret = tmp_path / "password"
    secret.write_bytes(b"s3cret\n")
    secret.chmod(0o600)
    worker = odd("provider", f'set colour green set names "a" "b" set password file "{secret}"')
    said = worker.connect().call("Describe")
    assert said["code_parameter"] == "green"
    got = identify(worker.connect(), "!settings")
    assert json.loads(got["display"]) == [{"colour": ["green"], "names": ["a", "b"]}, {"password": "czNjcmV0"}]
    assert "s3cret" not in worker.log() and "czNjcmV0" not in worker.log()
    wrong = odd("provider", "set colour blue")
    assert not wrong.ready and wrong.wait() == 1
    assert "must be one of: red green" in wrong.log()
    bad = odd("provider", 'set names "bad"')
    assert not bad.ready and bad.wait() == 1
    assert "names must not be bad" in bad.log()


@pytest.mark.parametrize("how", ["crash", "exit", "garbage", "two", "long", "stranger", "crossed", "types"])
def test_death_and_garbage_are_the_end_of_that_server(odd, how):
    worker = odd("provider")
    connection = worker.connect()
    try:
        identify(connection, "!" + how)
        assert how == "two"  # its answer counts, and what it said besides is found with the next call
        identify(connection)
    except Refused as refused:
        assert (refused.error, refused.reason) == ("Failed", "garbage")
    with pytest.raises(Gone):
        identify(connection)
    assert identify(worker.connect())["subject"] == "alice"


def test_silence_ends_at_the_deadline_and_the_program_with_it(odd):
    worker = odd("provider")
    begun = time.monotonic()
    with pytest.raises(Gone):
        identify(worker.connect(), "!hang", deadline_ms=DEADLINE_MS)
    assert DEADLINE_MS / 1000 <= time.monotonic() - begun < 5
    assert identify(worker.connect())["subject"] == "alice"
    worker.stop()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and worker.plugin in command_line(pid)]


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def test_its_no_and_its_failure(odd):
    connection = odd("provider").connect()
    for how, error, reason in (("refuse", "Refused", "bad_code"), ("fail", "Failed", "unreachable")):
        with pytest.raises(Refused) as refused:
            identify(connection, "!" + how)
        assert (refused.value.error, refused.value.reason) == (error, reason)
    assert identify(connection, "!lie")["request"] == "another"  # the engine's to judge


def test_what_it_prints_and_logs_cannot_forge_a_line(odd):
    worker = odd("provider")
    connection = worker.connect()
    identify(connection, "!print")
    identify(connection, "!log")
    worker.wait_for_log("the program")
    for line in worker.log().splitlines():
        assert "\033" not in line and not line.startswith("warn forged")
    assert "prints=" in worker.log() and "a line on its output" in worker.log()
    assert r"says=" in worker.log()
    identify(connection, "!flood")
    assert worker.log().count("x" * 100) <= 64


def test_it_inherits_nothing(odd):
    got = identify(odd("provider").connect(), "!descriptors")
    assert got["display"] == "0 1 2 3 4 5"  # the last is that of the listing itself
    assert "HOME" not in got["subject"] and "CS_" not in got["subject"]


def test_it_lives_in_the_cage_of_its_worker(odd, tmp_path):
    worker = odd("provider")
    file = tmp_path / "anybody's"
    file.write_text("seen")
    file.chmod(0o644)
    assert identify(worker.connect(), f"!read {file}")["display"] == "Permission denied"
    with pytest.raises((Gone, Refused)):  # the program is ended first, which its server may still see, then the server
        identify(worker.connect(), "!mount")
    worker.wait_for_log("call=mount")
    assert identify(worker.connect())["subject"] == "alice"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        shown = self.connection.getpeercert() is not None
        answer = json.dumps([self.command, self.path, body.decode(), shown]).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    keys = certificates(tmp_path_factory.mktemp("web"))
    server = _Server(("127.0.0.1", 0), _Handler)
    keys.good.verify_mode = ssl.CERT_OPTIONAL
    keys.good.load_verify_locations(keys.ca)
    server.socket = keys.good.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}", keys
    server.shutdown()
    server.server_close()


def test_it_fetches_by_its_host_and_only_what_is_allowed(odd, web, tmp_path):
    url, keys = web
    pair = open(os.path.join(os.path.dirname(keys.ca), "test.pem")).read()
    at = pair.index("-----BEGIN PRIVATE")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.write_text(pair[:at])
    key.write_text(pair[at:])
    key.chmod(0o600)
    connection = odd("provider", f'set ca-file "{keys.ca}" set allow-url "{url}" set tls-certificate "{certificate}" '
                     f'set tls-key file "{key}"').connect()
    for shows in (False, True):
        got = json.loads(identify(connection, ("!shows " if shows else "!http ") + url + "/a?b")["display"])
        assert (got["status"], json.loads(bytes_of(got["body"]))) == (201, ["PUT", "/a?b", "hello", shows])
    assert identify(connection, "!http https://127.0.0.1:1/")["display"] == "invalid"
    plain = odd("provider", f'set ca-file "{keys.ca}" set allow-url "{url}"').connect()
    assert identify(plain, "!shows " + url + "/")["display"] == "invalid"


def bytes_of(text):
    import base64
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check(path):
    return subprocess.run([os.path.join(BUILD, "countersign-worker"), "--check", path], capture_output=True, text=True)


def test_what_is_no_plugin_is_refused_with_a_sentence(tmp_path):
    for text, sentence in (("#!/bin/sh\nexit 1\n", "does not answer"), ("#!/no/such/interpreter\n", "cannot be executed"),
                           ("#!/bin/sh\nexec cat <&3 >&3\n", "does not answer")):
        path = tmp_path / "program"
        path.write_text(text)
        path.chmod(0o755)
        done = check(str(path))
        assert done.returncode != 0 and sentence in done.stderr


# --- plugins/example/hours.py, which an author would begin with ---

NOON, NIGHT = 1763812800000, 1763780400000


def test_the_example(start_worker, installed):
    path = installed("plugins/example/hours.py")
    said = json.loads(check(path).stdout)
    assert (said["name"], said["kinds"], said["self_test"]) == ("hours", ["risk"], "passed")
    worker = start_worker(path, "risk", CAGE + "set large 50")
    connection = worker.connect()
    for now, amount, score, reason in ((NOON, 100, 0, ""), (NOON, 5000, 30, ""), (NIGHT, 100, 60, "night"), (NIGHT, 5000, 90, "night")):
        got = connection.call("Assess", request="r1", deadline_ms=5000, service="checkout", operation="spend", account="0" * 32,
                              amount=amount, currency="CNY", digits=2, factors=1, account_age_ms=0, link_age_ms=0,
                              session_age_ms=0, now_ms=now)
        assert (got["score"], got["reason"]) == (score, reason)


def test_what_is_a_program_and_what_is_a_shared_object(tmp_path):
    """By what the file says of itself: a program may lie anywhere in memory, as a shared object does."""
    program = tmp_path / "program"
    shutil.copyfile("/bin/true", program)
    program.chmod(0o755)
    assert "it is a program" in check(str(program)).stderr
    shared = os.path.join(BUILD, "plugins", ".libs", "totp.so")
    assert json.loads(check(shared).stdout)["name"] == "totp"
    program.write_bytes(open(shared, "rb").read(100))
    assert "cannot be loaded" in check(str(program)).stderr


# --- nothing is forgotten where the interface grows ---

def members(struct):
    header = re.sub(r"/\*.*?\*/", "", open(os.path.join(SOURCE, "include", "countersign", "plugin.h")).read(), flags=re.S)
    body = re.search(rf"^struct {struct} \{{\n(.*?)^\}};", header, flags=re.S | re.M)[1]
    names = [re.search(r"(\w+)(?:\[\w+\])?$", part.strip())[1] for line in body.split(";") if line.strip() for part in line.split(",")]
    return {n for n in names if n not in ("size", "call", "request", "reserved") and not n.endswith("_count")}


def test_every_member_of_an_operation_is_passed_on():
    tables = open(os.path.join(SOURCE, "broker", "worker", "executable_calls.c")).read()
    operations = re.findall(r"^OPERATION\(\w+, \"\w+\", (\w+), (\w+)\)", tables, flags=re.M)
    assert len(operations) == 13
    for asked, answered in operations:
        for kind, struct in (("ASK", asked), ("SAY", answered)):
            passed = set(re.findall(rf"{kind}\w*\((?:[^()]*, )?{struct}, (\w+)\)", tables))
            there = members("countersign_" + struct) - ({"ids"} if struct == "poll_answer" else set())
            assert there - passed == set(), struct


def test_both_interfaces_have_the_same_calls():
    spec = importlib.util.spec_from_file_location("check_varlink", os.path.join(SOURCE, "tests", "unit", "check_varlink.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin, worker = (module.Parser(name, open(os.path.join(SOURCE, "include", "countersign", name)).read()).parse()
                      for name in ("org.countersign.Plugin.varlink", "org.countersign.Worker.varlink"))
    assert set(plugin.methods) - {"SelfTest", "Configure"} == set(worker.methods)
    for name, (asked, answered) in worker.methods.items():
        if name == "Describe":
            continue
        for ours, theirs in zip(plugin.methods[name], (asked, answered)):
            ours, theirs = set(ours[1]), set(theirs[1])
            assert ours - {"now_ms"} == theirs - {"now_ms"}, name
