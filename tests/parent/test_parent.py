# SPDX-License-Identifier: Apache-2.0
"""The parent alone, with stand-ins for the roles (fake_role.py): supervision, reload, orderly stop.

The program is CS_BUILDDIR/countersignd. Nothing here waits for a time to pass: every wait is for an event, with a deadline that
only a failure meets.
"""
import base64
import hashlib
import os
import pwd
import queue
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(os.environ.get("CS_BUILDDIR", "."), "countersignd")
DEADLINE = 20

CONFIG = """
realm "test"
run-directory "run"
state-directory "state"
listen service "run/socket"
listen https 127.0.0.1 port {port} {{ certificate "tls.crt" key "tls.key" client-ca "ca.pem" }}
public-url "https://127.0.0.1:{port}"
store mem
policy-limits CNY {{ per-payment {limit} }}
factor "totp" {{ plugin "totp" {factor} }}
provider "sandbox" {{ plugin "oidc" }}
stacks "services"
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Broker:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cs")
        for name in ("plan", "libexec", "plugins", "services"):
            os.mkdir(self.path(name), 0o755)
        for name in ("tls.crt", "tls.key", "ca.pem", "plugins/totp.so", "plugins/oidc.so"):
            self.write(name, "")
            os.chmod(self.path(name), 0o600)
        self.write("services/other", "spend requisite deny\n")
        for name in ("engine", "gateway", "worker"):
            path = self.path("libexec/countersign-" + name)
            with open(os.path.join(HERE, "fake_role.py"), encoding="ascii") as f:
                self.write(path, "#!/usr/bin/python3\n" + f.read())
            os.chmod(path, 0o755)
        self.talk = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.talk.bind(self.path("talk"))
        # Read all the time: the kernel holds only ten datagrams, and a role that cannot speak stands still.
        self.words = queue.Queue()
        self.reader = threading.Thread(target=self.listen)
        self.reader.start()
        self.port = free_port()
        self.configure()
        self.process = None
        self.heard = []

    def listen(self):
        while True:
            words = self.talk.recv(4096).decode().split(" ")
            if words == ["bye"]:
                return
            self.words.put(words)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)

    def configure(self, limit="100", factor="", more=""):
        self.write("countersign.conf", CONFIG.format(port=self.port, limit=limit, factor=factor) + more)

    def plan(self, role, words):
        self.write("plan/" + role, words)

    def command(self, *more):
        return [PROGRAM, "-f", self.path("countersign.conf"), "--libexec", self.path("libexec"), "--plugins",
                self.path("plugins"), *more]

    def start(self, wait=True, **more):
        r, w = os.pipe()
        env = dict(os.environ, ROLE_TALK=self.path("talk"), ROLE_PLAN=self.path("plan"), **more)
        with open(self.path("log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command("--ready-fd", str(w)), pass_fds=[w], stderr=log, env=env)
        os.close(w)
        if wait:
            assert os.read(r, 1) == b"\n", self.logged()
        os.close(r)

    def logged(self):
        with open(self.path("log"), encoding="utf-8") as f:
            return f.read()

    def expect(self, role, event):
        """The words after the event; what came before it is kept in heard."""
        while True:
            try:
                words = self.words.get(timeout=DEADLINE)
            except queue.Empty:
                pytest.fail(f"no {event} of {role}; heard {self.heard}\n{self.logged()}")
            self.heard.append(words)
            if words[0] == role and words[2] == event:
                return words

    def expect_log(self, text):
        """A line of the log: it is a file, so the end of the process or an event must have been waited for first."""
        assert text in self.logged()

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"bye", self.path("talk"))
        self.reader.join()
        self.talk.close()
        shutil.rmtree(self.dir)


@pytest.fixture
def broker():
    b = Broker()
    yield b
    b.close()


def started(broker):
    """The pid of each role of a broker that is ready."""
    pids = {}
    while len(pids) < 4:
        words = broker.words.get(timeout=DEADLINE)
        if words[2] == "start":
            pids[words[0]] = int(words[1])
    return pids


def kill_with_children(broker):
    """SIGKILL to the parent alone; its children must follow."""
    handles = [os.pidfd_open(pid) for pid in started(broker).values()]
    broker.process.kill()
    broker.process.wait()
    for h in handles:
        assert select.select([h], [], [], DEADLINE)[0] == [h]
        os.close(h)


def test_each_role_gets_its_descriptors_and_nothing_else(broker):
    broker.start()
    seen = {}
    while len(seen) < 4:
        words = broker.words.get(timeout=DEADLINE)
        if words[2] == "start":
            seen[words[0]] = words[3:]
    base = "0,1,2,3,4,5"
    assert seen == {
        "engine": ["1", "args=--listen,service=6,--listen,admin=7,--listen,gateway=8", f"fds={base},6,7,8"],
        "gateway": ["1", "args=--listen,https=6", f"fds={base},6"],
        "worker:totp": ["1", "args=--name,totp,--listen,worker=6,--plugin,7", f"fds={base},6,7"],
        "worker:sandbox": ["1", "args=--name,sandbox,--listen,worker=6,--plugin,7", f"fds={base},6,7"],
    }


def test_ready_only_when_all_are(broker):
    broker.plan("gateway", "mute")
    broker.start(wait=False)
    broker.expect("engine", "table")
    assert "uid_separation" not in broker.logged()
    assert broker.stop() == 0


def test_sockets_have_their_modes(broker):
    broker.start()
    modes = {n: os.stat(broker.path("run/" + n)).st_mode & 0o777 for n in os.listdir(broker.path("run"))}
    assert modes == {"socket": 0o666, "admin": 0o600, "gateway.sock": 0o600, "worker-totp.sock": 0o600,
                     "worker-sandbox.sock": 0o600}
    assert os.stat(broker.path("run")).st_mode & 0o777 == 0o711
    assert os.stat(broker.path("state")).st_mode & 0o777 == 0o700


def test_child_that_dies_is_started_again_after_growing_pauses(broker):
    broker.start()
    pids = started(broker)
    broker.plan("worker:totp", "fail")
    os.kill(pids["worker:totp"], signal.SIGKILL)
    for _ in range(3):
        broker.expect("worker:totp", "start")
    broker.plan("worker:totp", "")
    broker.expect("worker:totp", "start")
    while "worker:totp=2" not in " ".join(broker.expect("engine", "table")):
        pass
    log = broker.logged()
    assert [f"next_ms={ms}" in log for ms in (100, 200, 400)] == [True] * 3
    os.kill(pids["engine"], 0)


def test_worker_that_never_starts_does_not_stop_the_others(broker):
    broker.plan("worker:totp", "fail")
    broker.start()


def test_engine_that_does_not_start_ends_the_broker(broker):
    broker.plan("engine", "fail")
    broker.start(wait=False)
    assert broker.process.wait(DEADLINE) == 1
    broker.expect_log("the engine did not become ready")
    assert os.listdir(broker.path("run")) == []


def test_the_service_manager_hears_what_a_late_engine_waits_for(broker):
    """And only an engine is believed: whoever loads a plugin is not."""
    for role in ("engine", "gateway"):
        broker.plan(role, "late")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(broker.path("manager"))
        manager.settimeout(DEADLINE)
        broker.start(wait=False, NOTIFY_SOCKET=broker.path("manager"))
        assert manager.recv(1000) == b"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=engine: waits for broker-2?"
        late = {}
        while len(late) < 2:         # in whichever order they come
            words = broker.words.get(timeout=DEADLINE)
            if words[2] == "late":
                late[words[0]] = int(words[1])
        for pid in late.values():
            os.kill(pid, signal.SIGUSR2)
        assert sorted(manager.recv(1000) for _ in range(2)) == [b"READY=1", b"STATUS="]
        assert broker.stop() == 0
        assert manager.recv(1000) == b"STOPPING=1"


def test_stop_is_gateway_then_engine_then_workers(broker):
    broker.start()
    started(broker)
    assert broker.stop() == 0
    ends = []
    while len(ends) < 4:
        words = broker.words.get(timeout=DEADLINE)
        if words[2] == "end":
            ends.append(words[0])
    assert ends[:2] == ["gateway", "engine"]
    assert sorted(ends[2:]) == ["worker:sandbox", "worker:totp"]
    assert os.listdir(broker.path("run")) == []


def test_children_end_when_the_parent_is_killed(broker):
    broker.start()
    kill_with_children(broker)


def test_stale_sockets_are_replaced_but_not_a_running_broker(broker):
    broker.start()
    second = subprocess.run(broker.command(), capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert second.returncode == 1
    assert "another daemon answers there" in second.stderr
    assert os.path.exists(broker.path("run/socket"))
    kill_with_children(broker)
    broker.start()


def test_a_file_in_the_place_of_a_socket_is_kept(broker):
    os.mkdir(broker.path("run"), 0o711)
    broker.write("run/socket", "precious")
    broker.start(wait=False)
    assert broker.process.wait(DEADLINE) == 1
    with open(broker.path("run/socket"), encoding="ascii") as f:
        assert f.read() == "precious"


@pytest.mark.parametrize("spoil, why", [
    (lambda b: os.chmod(b.path("plugins/totp.so"), 0o620), "others can write to it"),
    (lambda b: os.chmod(b.path("plugins"), 0o777), "others can write to its directory"),
    (lambda b: (os.rename(b.path("plugins/totp.so"), b.path("x")), os.symlink(b.path("x"), b.path("plugins/totp.so"))),
     "symbolic link"),
    (lambda b: os.unlink(b.path("plugins/totp.so")), "there is no such file"),
    (lambda b: (os.unlink(b.path("plugins/totp.so")), os.mkdir(b.path("plugins/totp.so"))), "no regular file"),
])
def test_plugin_that_others_could_have_written_is_refused(broker, spoil, why):
    spoil(broker)
    for more in ([], ["-n"]):
        done = subprocess.run(broker.command(*more), capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 1
        assert "/plugins/" in done.stderr and why in done.stderr


# --- pins and signatures ---

def digest(broker, name="plugins/totp.so"):
    with open(broker.path(name), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def refusal(broker):
    """What is said where both the start and -n are refused."""
    said = []
    for more in ([], ["-n"]):
        done = subprocess.run(broker.command(*more), capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 1, done.stderr
        said.append(done.stderr.splitlines()[-1])
    assert said[0] == said[1]
    return said[0]


class Key:
    """A key that signs plugins, as its owner has it."""

    def __init__(self):
        self.private = ed25519.Ed25519PrivateKey.generate()

    def trust(self, broker, name="author.pub"):
        os.makedirs(broker.path("trusted-plugins"), 0o755, exist_ok=True)
        pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        broker.write("trusted-plugins/" + name, pem.decode())

    def sign(self, broker, plugin="totp", name=None, sha256=None):
        signed = f"countersign-plugin-signature 1\nplugin {name or plugin}\nsha256 {sha256 or digest(broker, f'plugins/{plugin}.so')}\n"
        der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        signature = base64.urlsafe_b64encode(self.private.sign(signed.encode())).decode().rstrip("=")
        broker.write(f"plugins/{plugin}.so.sig", f"{signed}key {hashlib.sha256(der).hexdigest()[:16]}\nsignature {signature}\n")
        os.chmod(broker.path(f"plugins/{plugin}.so.sig"), 0o644)


@pytest.fixture
def key(broker):
    """A trusted key that has signed both plugins."""
    made = Key()
    made.trust(broker)
    for plugin in ("totp", "oidc"):
        made.sign(broker, plugin)
    broker.configure(more="plugins { require signature }\n")
    return made


def test_a_pinned_plugin_is_loaded_from_what_was_checked(broker):
    """A worker that is started again gets the very bytes, though the file was written over in its place."""
    broker.write("plugins/totp.so", "good")
    broker.configure(factor=f"pin sha256:{'0' * 64} sha256:{digest(broker)}")
    broker.start()
    pids = started(broker)
    broker.write("plugins/totp.so", "evil")
    os.kill(pids["worker:totp"], signal.SIGKILL)
    broker.expect("worker:totp", "start")
    assert broker.expect("worker:totp", "plugin")[3] == hashlib.sha256(b"good").hexdigest()
    os.kill(pids["engine"], signal.SIGUSR1)
    assert f"its pin would be sha256:{hashlib.sha256(b'evil').hexdigest()}" in " ".join(broker.expect("engine", "answer"))


def test_another_file_than_the_pinned_is_refused_and_its_pin_is_told(broker):
    pin = "0" * 64
    broker.configure(factor=f"pin sha256:{pin}")
    said = refusal(broker)
    assert "/plugins/totp.so: it is not the file that factor totp is pinned to" in said
    assert f"its pin would be sha256:{digest(broker)}" in said


def test_a_pin_that_is_required_and_missing_is_told(broker):
    broker.configure(factor=f"pin sha256:{digest(broker)}", more="plugins { require pin }\n")
    said = refusal(broker)
    assert "/plugins/oidc.so: provider sandbox has no pin" in said
    assert f"write: pin sha256:{digest(broker, 'plugins/oidc.so')}" in said


def test_signed_plugins_start(broker, key):
    broker.start()
    assert broker.stop() == 0
    broker.expect_log(f"plugin name=totp sha256={digest(broker)} pinned=no signer=\"author.pub\"")


def test_a_signature_that_comes_with_an_upgrade_is_taken_by_a_reload(broker, key):
    broker.start()
    broker.write("plugins/totp.so", "2")
    key.sign(broker)
    broker.hup()
    assert broker.expect("engine", "config")[4] == "worker-sandbox.sock,worker-totp.2.sock"


def test_a_bad_signature_at_a_reload_keeps_the_old_generation(broker, key):
    broker.start()
    pids = started(broker)
    broker.write("plugins/totp.so", "2")
    os.kill(pids["engine"], signal.SIGUSR1)
    refused = broker.expect("engine", "answer")
    assert refused[3:5] == ["6", "1"] and "it is not the file that was signed" in " ".join(refused)
    os.kill(pids["worker:totp"], 0)


def swap(broker, key):
    """Two plugins that are signed, each in the other's place."""
    for end in (".so", ".so.sig"):
        os.rename(broker.path("plugins/totp" + end), broker.path("x"))
        os.rename(broker.path("plugins/oidc" + end), broker.path("plugins/totp" + end))
        os.rename(broker.path("x"), broker.path("plugins/oidc" + end))


def break_signature(broker, old, new):
    with open(broker.path("plugins/totp.so.sig"), encoding="ascii") as f:
        text = f.read()
    assert old in text
    broker.write("plugins/totp.so.sig", text.replace(old, new))


def link(broker, name):
    os.rename(broker.path(name), broker.path("x"))
    os.symlink(broker.path("x"), broker.path(name))


@pytest.mark.parametrize("spoil, why", [
    (lambda b, k: b.write("plugins/totp.so", "evil"), "it is not the file that was signed"),
    (lambda b, k: os.unlink(b.path("plugins/totp.so.sig")), "it has no signature"),
    (lambda b, k: b.write("plugins/totp.so.sig", ""), "its signature is none of Countersign's"),
    (lambda b, k: b.write("plugins/totp.so.sig", "x" * 5000), "its signature is none of Countersign's"),
    (lambda b, k: break_signature(b, "signature 1\n", "signature 2\n"), "of a later version"),
    (lambda b, k: break_signature(b, "key ", "extra 1\nkey "), "its signature is none of Countersign's"),
    (lambda b, k: (Key().sign(b)), "no trusted key made its signature"),
    (lambda b, k: (b.write("plugins/totp.so", "evil"), break_signature(b, hashlib.sha256(b"").hexdigest(), digest(b))),
     "no trusted key made its signature"),
    (swap, 'it was signed as "totp", not as "oidc"'),
    (lambda b, k: os.chmod(b.path("plugins/totp.so.sig"), 0o666), "its signature: others can write to it"),
    (lambda b, k: link(b, "plugins/totp.so.sig"), "its signature is a symbolic link"),
    (lambda b, k: os.unlink(b.path("trusted-plugins/author.pub")), "no key is trusted"),
    (lambda b, k: os.rename(b.path("trusted-plugins"), b.path("y")), "there is no directory"),
    (lambda b, k: os.chmod(b.path("trusted-plugins"), 0o777), "others can write to its directory"),
    (lambda b, k: os.chmod(b.path("trusted-plugins/author.pub"), 0o666), "author.pub: others can write to it"),
    (lambda b, k: link(b, "trusted-plugins/author.pub"), "author.pub: it is a symbolic link"),
    (lambda b, k: b.write("trusted-plugins/other.pub", "no key\n"), "other.pub: it is no Ed25519 public key in PEM"),
])
def test_what_is_not_signed_as_it_should_be_is_refused(broker, key, spoil, why):
    spoil(broker, key)
    said = refusal(broker)
    assert "/plugins/" in said and why in said


def test_bad_file_on_reload_keeps_the_old_generation(broker):
    broker.start()
    line = open(broker.path("countersign.conf"), encoding="ascii").read().count("\n") + 1
    broker.configure(more="  servise x {}\n")
    broker.hup()
    assert broker.stop() == 0
    broker.expect_log(f'countersign.conf:{line}:3: unknown option \\"servise\\"; to mend it: did you mean \\"service\\"?')
    broker.expect("engine", "end")
    assert not any(w[2] == "config" for w in broker.heard)


def test_the_engine_may_ask_for_a_reload_and_hears_the_result(broker):
    broker.start()
    pids = started(broker)
    good = open(broker.path("countersign.conf"), encoding="ascii").read()
    broker.configure(more="servise x {}\n")
    os.kill(pids["engine"], signal.SIGUSR1)
    answer = broker.expect("engine", "answer")
    assert answer[3:5] == ["6", "1"] and "unknown option" in " ".join(answer)
    broker.write("countersign.conf", good)
    os.kill(pids["engine"], signal.SIGUSR1)
    assert broker.expect("engine", "answer")[3:5] == ["5", "2"]


def test_nobody_else_may_ask_for_a_reload(broker):
    broker.start()
    pids = started(broker)
    os.kill(pids["worker:totp"], signal.SIGUSR1)
    os.kill(pids["worker:totp"], signal.SIGTERM)
    broker.expect("worker:totp", "start")
    broker.expect_log("a message that it may not send")
    assert not any(w[2] == "config" for w in broker.heard)


def test_engine_that_dies_of_the_new_configuration_comes_back_with_the_old(broker):
    broker.plan("engine", "die")
    broker.start()
    pids = started(broker)
    broker.configure(limit="300")
    broker.hup()
    assert broker.expect("engine", "start")[3] == "1"
    broker.expect_log("the engine ended while it changed to the new configuration")
    os.kill(pids["gateway"], 0)


def test_reload_keeps_unchanged_workers_and_replaces_the_others(broker):
    broker.start()
    pids = started(broker)
    broker.configure(factor="set digits 8")
    broker.hup()
    config = broker.expect("engine", "config")
    assert config[3:] == ["2", "worker-sandbox.sock,worker-totp.2.sock"]
    assert broker.expect("worker:totp", "end")[1] == str(pids["worker:totp"])
    assert sorted(w[0] for w in broker.heard if w[2] == "start") == ["gateway", "worker:totp"]
    os.kill(pids["worker:sandbox"], 0)
    assert broker.stop() == 0
    assert os.listdir(broker.path("run")) == []


def test_a_new_plugin_file_replaces_its_worker(broker):
    broker.start()
    broker.write("plugins/oidc.so.new", "2")
    os.chmod(broker.path("plugins/oidc.so.new"), 0o600)
    os.rename(broker.path("plugins/oidc.so.new"), broker.path("plugins/oidc.so"))
    broker.hup()
    assert broker.expect("engine", "config")[4] == "worker-sandbox.2.sock,worker-totp.sock"


def test_replacement_that_does_not_start_keeps_the_old_generation(broker):
    broker.start()
    pids = started(broker)
    broker.plan("worker:totp", "fail")
    broker.configure(factor="set digits 8")
    broker.hup()
    broker.expect("gateway", "end")
    broker.expect_log("the new worker:totp did not become ready")
    os.kill(pids["worker:totp"], 0)
    os.kill(pids["gateway"], 0)
    assert not any(w[2] == "config" for w in broker.heard)


def test_engine_that_refuses_keeps_the_old_generation(broker):
    broker.plan("engine", "refuse")
    broker.start()
    pids = started(broker)
    broker.configure(limit="300")
    broker.hup()
    broker.expect("engine", "config")
    assert broker.expect("gateway", "end")[1] != str(pids["gateway"])
    broker.expect_log("the engine refused it: no such rule")
    os.kill(pids["gateway"], 0)


@pytest.mark.parametrize("change, what", [
    (('realm "test"', 'realm "other"'), "the realm"),
    (("store mem", "store sqlite { }"), "the store"),
    (('"run/socket"', '"run/socket2"'), "a door (listen)"),
    (('"state"', '"state2"'), "a directory"),
])
def test_what_needs_a_restart_is_refused(broker, change, what):
    broker.start()
    with open(broker.path("countersign.conf"), encoding="ascii") as f:
        text = f.read()
    broker.write("countersign.conf", text.replace(*change))
    broker.hup()
    assert broker.stop() == 0
    broker.expect_log(what + " was changed, which needs a restart of the broker")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to switch users")
def test_root_keeps_four_capabilities_and_gives_sockets_to_their_users(broker):
    broker.configure(more='user engine "daemon" gateway "bin" worker "nobody"\n')
    os.chmod(broker.dir, 0o755)
    broker.start()
    with open(f"/proc/{broker.process.pid}/status", encoding="ascii") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if line.startswith("Cap"))
    kept = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10  # KILL, SETGID, SETUID, NET_BIND_SERVICE
    assert [int(status[n], 16) for n in ("CapPrm", "CapEff", "CapBnd")] == [kept] * 3
    owner = {n: pwd.getpwuid(os.stat(broker.path("run/" + n)).st_uid).pw_name for n in os.listdir(broker.path("run"))}
    assert owner == {"socket": "root", "admin": "root", "gateway.sock": "bin", "worker-totp.sock": "daemon",
                     "worker-sandbox.sock": "daemon"}
    assert pwd.getpwuid(os.stat(broker.path("state")).st_uid).pw_name == "daemon"
    assert "uid_separation=on" in broker.logged()
    broker.configure(limit="300", more='user engine "daemon" gateway "bin" worker "nobody"\n')
    broker.hup()
    broker.expect("gateway", "end")
    assert broker.stop() == 0


def test_stubborn_child_is_killed(broker):
    broker.plan("gateway", "stubborn")
    broker.start()
    assert broker.stop() == 0
    broker.expect_log("it did not do so in time")
