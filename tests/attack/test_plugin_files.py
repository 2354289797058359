# SPDX-License-Identifier: Apache-2.0
"""Attacks by plugins' files: one that was exchanged, written over, signed by a stranger, or takes another's name."""
import os
import select
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness import BUILD, Broker, Person

PROVIDER = """plugins {{ require signature }}
provider "fool" {{
    plugin "misbehave"
    servers 2 deadline {deadline} queue 16
    cooling-off 0
    syncs-secrets no
    set issuer "https://misbehave.test"
}}
"""
STACK = """link    required    stepup      factors=1
spend   required    stepup      factors=1
"""
WAIT_S = 30


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_key(path):
    openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    os.chmod(path, 0o600)
    return path


def ctl(broker, *words):
    return subprocess.run([os.path.join(BUILD, "countersignctl"), *words], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "COUNTERSIGN_ADMIN_SOCKET": broker.path("admin.sock")})


class Signed(Broker):
    """Every plugin is signed by a key of the admin's choice, and must be."""

    def __init__(self, deadline="5s"):
        super().__init__(https=False, clients=["fool"], stack=STACK, extra=PROVIDER.format(deadline=deadline))

    def _files(self, *rest):
        super()._files(*rest)
        self.key = make_key(self.path("author.pem"))
        os.mkdir(self.path("trusted-plugins"), 0o755)
        openssl("pkey", "-in", self.key, "-pubout", "-out", self.path("trusted-plugins/author.pub"))
        os.chmod(self.path("trusted-plugins/author.pub"), 0o644)
        for name in ("oidc", "totp", "misbehave", "webhook"):
            os.chmod(self.file(name), 0o644)
            self.sign(name)

    def file(self, name="misbehave"):
        return self.path(f"plugins/{name}.so")

    def sign(self, name="misbehave", key=None):
        done = ctl(self, "plugin", "sign", self.file(name), "--key", key or self.key)
        assert done.returncode == 0, done.stderr

    def worker(self, name="fool"):
        """Its process, once it is up and nothing else of its name runs."""
        end = time.monotonic() + WAIT_S
        while True:
            found = [p for p in self.admin.call("Admin.Status")["processes"] if p["role"] == "worker:" + name]
            if len(found) == 1 and found[0]["state"] == "up":
                return found[0]["pid"]
            assert time.monotonic() < end, found
            select.select([], [], [], 0.02)


@pytest.fixture(scope="module")
def running():
    broker = Signed()
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log


@pytest.fixture
def files(broker):
    """The plugin directory and the keys, as they were when the test is over."""
    for name in ("plugins", "trusted-plugins"):
        shutil.copytree(broker.path(name), broker.path(name + ".before"), symlinks=True)
    yield
    for name in ("plugins", "trusted-plugins"):
        shutil.rmtree(broker.path(name))
        os.rename(broker.path(name + ".before"), broker.path(name))
    broker.admin.call("Admin.Reload")
    broker.worker()


@pytest.fixture(scope="module")
def victim(running):
    """An account whose ID at the provider is its own name."""
    person = Person(running)
    person.enrol()
    begun = running.service.call("Links.Begin", account=person.account, provider="fool", native=True)
    proposed = running.service.call("Links.Complete", sign_in=begun["sign_in"], id_token="alice")
    person.confirm(proposed["challenge"]["id"])
    return person


def sign_in(client, token="alice"):
    begun = client.call("Sessions.Begin", provider="fool")
    return client.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)


def refused_reload(broker):
    """What the admin hears; the generation in force is the one before."""
    generation = broker.admin.call("Admin.Status")["generation"]
    error = broker.admin.fails("Admin.Reload")
    assert error.name == "Conflict" and broker.admin.call("Admin.Status")["generation"] == generation
    return error.parameters["what"]


def write_over(path):
    """Into the same file, as a copy does."""
    with open(path, "r+b") as f:
        f.seek(-1, os.SEEK_END)
        f.write(b"\1")
        f.truncate()
        f.write(b"\1")


# --- X10 ---

def exchange(broker):
    """Another honest plugin, with its own good signature, under this one's name."""
    for end in ("", ".sig"):
        shutil.copyfile(broker.file("webhook") + end, broker.file() + end)


def add_key(broker):
    """A key that others could have put there."""
    shutil.copyfile(broker.path("trusted-plugins/author.pub"), broker.path("trusted-plugins/more.pub"))
    os.chmod(broker.path("trusted-plugins/more.pub"), 0o666)


@pytest.mark.parametrize("spoil, why", [
    (lambda b: write_over(b.file()), "it is not the file that was signed"),
    (lambda b: os.unlink(b.file() + ".sig"), "it has no signature"),
    (lambda b: b.sign(key=make_key(b.path("stranger.pem"))), "no trusted key made its signature"),
    (exchange, 'it was signed as "webhook", not as "misbehave"'),
    (add_key, "more.pub: others can write to it"),
], ids=["written-over", "unsigned", "stranger", "exchanged", "open-key"])
def test_X10_a_file_that_is_not_the_authors_is_never_taken(broker, victim, files, spoil, why):
    """Not by a reload, nor by a start; and what runs goes on."""
    pid = broker.worker()
    spoil(broker)
    told = refused_reload(broker)
    assert why in told and ("misbehave.so" in told or "more.pub" in told)
    assert broker.worker() == pid and sign_in(broker.service)["account"] == victim.account
    done = subprocess.run([os.path.join(BUILD, "countersignd"), "-n", "-f", broker.path("countersign.conf"), "--plugins",
                           broker.path("plugins")], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1 and why in done.stderr
    done = ctl(broker, "plugin", "verify", "-f", broker.path("countersign.conf"), "--plugins", broker.path("plugins"))
    assert done.returncode == 5 and why in done.stderr


def test_X10_a_worker_that_is_killed_comes_back_with_what_was_checked(broker, victim, files):
    """The file is written over, then its worker is made to die: who starts again loads the bytes that were signed."""
    pid = broker.worker()
    with open(broker.file(), "wb") as f:
        f.write(b"no plugin at all\n")
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + WAIT_S
    while broker.worker() == pid:
        assert time.monotonic() < end
    assert sign_in(broker.service)["account"] == victim.account


def test_X10_a_pin_holds_against_whoever_may_sign(broker, victim, files):
    """A later release with a good signature is another file than the pinned one."""
    digest = subprocess.run(["sha256sum", broker.file()], capture_output=True, text=True, check=True).stdout.split()[0]
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        text = f.read()
    try:
        with open(broker.path("countersign.conf"), "w", encoding="utf-8") as f:
            f.write(text.replace('plugin "misbehave"', f'plugin "misbehave" pin sha256:{digest}'))
        broker.admin.call("Admin.Reload")
        write_over(broker.file())
        broker.sign()
        assert "it is not the file that provider fool is pinned to" in refused_reload(broker)
        assert sign_in(broker.service)["account"] == victim.account
    finally:
        with open(broker.path("countersign.conf"), "w", encoding="utf-8") as f:
            f.write(text)


def ask_until(broker, account, done, heard):
    client = broker.connect()
    while not done.is_set():
        heard.append(sign_in(client)["account"] == account)


def test_X10_an_upgrade_loses_no_call(broker, victim, files):
    """One call is in the old worker while the new one takes over, and others are asked all the time: each has its answer."""
    pid, slow = broker.worker(), broker.connect()
    begun = slow.call("Sessions.Begin", provider="fool")
    slow.send("Sessions.Open", sign_in=begun["sign_in"], id_token="!slow")
    heard, done = [], threading.Event()
    asker = threading.Thread(target=ask_until, args=(broker, victim.account, done, heard))
    asker.start()
    try:
        built = os.path.join(BUILD, "plugins", ".libs", "misbehave.so")
        shutil.copyfile(built, broker.path("misbehave.so"))
        assert ctl(broker, "plugin", "sign", broker.path("misbehave.so"), "--key", broker.key).returncode == 0
        installed = ctl(broker, "plugin", "install", broker.path("misbehave.so"), "--untested", "-f", broker.path("countersign.conf"),
                        "--plugins", broker.path("plugins"), "--libexec", os.path.join(BUILD, "testlibexec"))
        assert installed.returncode == 0 and "provider fool" in installed.stdout, installed.stderr
        reloaded = ctl(broker, "reload")
        assert reloaded.returncode == 0, reloaded.stderr
        # The old worker is still at it, and the new one answers.
        assert not select.select([slow.socket], [], [], 0)[0]
        before = len(heard)
        while len(heard) < before + 3 and asker.is_alive():
            select.select([], [], [], 0.01)
    finally:
        done.set()
        asker.join()
    assert len(heard) > before and all(heard)
    assert slow.receive()["account"] == victim.account
    assert broker.worker() != pid
