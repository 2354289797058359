# SPDX-License-Identifier: Apache-2.0
"""One broker with an OpenID Provider of its own, in one directory: made, started, found again, stopped."""
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import authority

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "idp"))

READY_S = 30
STOP_S = 20
SOCKET_PATH_MAX = 100  # sun_path has 108 bytes, with its NUL
LONGEST_SOCKET = "/run/worker-sandbox.9999.sock"
PERIOD_S, DRIFT = 10, 2
SERVICE, CLIENT_ID, RETURN_URL = "checkout", "checkout-web", "https://shop.example/done"
PR_SET_PDEATHSIG = 1

CONFIG = """# Made by packaging/quickstart. For a demonstration only: codes change every {period} seconds, and links and factors can
# be used at once (cooling-off 0). An installation keeps 30 seconds and 24 hours; see countersign.conf(5).
realm "demonstration"
run-directory "{run}"
state-directory "{dir}/state"
listen service "{sockets}/service"
listen admin "{sockets}/admin"
listen https 127.0.0.1 port {port} {{
    certificate "{dir}/tls/server.pem"
    key "{dir}/tls/server.key"
    client-ca "{dir}/tls/ca.pem"
}}
public-url "https://127.0.0.1:{port}"
store sqlite {{ path "{dir}/state/countersign.db" }}
keys {{ file "{dir}/state/master.key" }}
cooling-off {{ link 0 factor 0 limit 0 }}
policy-limits CNY {{ per-payment 500 per-day 2000 per-month 20000 count-day 5000 count-month 50000 }}
service "{service}" {{
    uid {uid}
    certificate-sha256 "{fingerprint}"
    door unix https
    rights spend refund link enrol respond lookup explain
    client-id "sandbox" "{client_id}"
    client-id "shaky" "{client_id}"
    return-url "{return_url}"
}}
provider "sandbox" {{
    plugin "oidc"
    servers 2 deadline 5s queue 64
    cooling-off 0
    controls mail-domain "sandbox.test"
    syncs-secrets no
    set issuer "{issuer}"
    set client-id "{client_id}"
    set client-secret file "{dir}/sandbox.secret"
    set ca-file "{dir}/tls/ca.pem"
}}
# A plugin made to crash and to hang when it is told to.
provider "shaky" {{ plugin "misbehave" servers 1 deadline 1s cooling-off 0 syncs-secrets no }}
factor "totp" {{
    plugin "totp"
    servers 1 deadline 2s
    cooling-off 0
    set period {period} set drift {drift} set issuer "Countersign"
}}
stacks "{dir}/services"
"""

STACK = """# operation  control     rule        arguments
link         requisite   provider    sandbox shaky
link         required    stepup      factors=1
spend        requisite   session     max-age=30d
spend        sufficient  allowance
spend        required    stepup      any=totp
factor       required    stepup
grant        required    stepup
limit        required    stepup
thaw         required    stepup
recover      required    stepup
view         required    stepup
"""


class Trouble(Exception):
    """What went wrong, for the person at the terminal, and how to mend it."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    """Ports that nobody uses, different from each other."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def process_start(pid):
    """When a process began, in ticks: tells it from a later one with the same id. None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[19]) if fields[0] != "Z" else None
    except (OSError, IndexError, ValueError):
        return None


def read_json(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def write_json(path, value):
    authority.private_file(path + ".new", json.dumps(value, indent=2).encode() + b"\n")
    os.replace(path + ".new", path)


def running(directory):
    """The endpoints of the broker that runs in the directory, or None."""
    endpoints = read_json(os.path.join(directory, "endpoints.json"))
    if endpoints and process_start(endpoints.get("keeper_pid")) == endpoints.get("keeper_start", -1):
        return endpoints
    return None


class Broker:
    """Everything is in `directory`, but for sockets when its path is too long for them."""

    def __init__(self, build, directory):
        self.build, self.directory = os.path.abspath(build), os.path.abspath(directory)
        self.process = self.provider = self.short = None
        self.log = os.path.join(self.directory, "broker.log")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # -- making

    def _directories(self):
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        for name in ("state", "tls", "services", "plugins", "provider"):
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)
        sockets = self.directory
        if len(os.fsencode(self.directory + LONGEST_SOCKET)) > SOCKET_PATH_MAX:
            self.short = sockets = tempfile.mkdtemp(prefix="countersign-", dir="/tmp")
        self.run, self.sockets = os.path.join(sockets, "run"), sockets
        os.makedirs(self.run, mode=0o700, exist_ok=True)

    def _plugins(self):
        """Copies: the loader takes plain files of a directory that only their owner may write."""
        for name in ("oidc", "totp", "misbehave"):
            made = os.path.join(self.build, "plugins", ".libs", name + ".so")
            if not os.path.exists(made):
                raise Trouble(f"{made} is missing; build it with: make -C {self.build} quickstart-programs")
            to = self.path("plugins", name + ".so")
            shutil.copyfile(made, to + ".new")
            os.chmod(to + ".new", 0o755)
            os.replace(to + ".new", to)

    def _ports(self):
        """The same ports when the directory is used again: the provider's is part of its name."""
        ports = read_json(self.path("ports.json"))
        if not ports:
            ports = dict(zip(("https", "provider"), free_ports(2)))
            write_json(self.path("ports.json"), ports)
        return ports

    def _write(self, name, text):
        authority.private_file(self.path(name), text.encode())

    def _configure(self, ports):
        self._write("sandbox.secret", "secret\n")
        self._write("services/" + SERVICE, STACK)
        self._write("services/other", "".join(f"{operation:<8} requisite  deny\n" for operation in (
            "link", "spend", "factor", "grant", "limit", "thaw", "recover", "view")))
        self._write("countersign.conf", CONFIG.format(
            dir=self.directory, run=self.run, sockets=self.sockets, port=ports["https"], uid=os.getuid(),
            fingerprint=authority.fingerprint(self.path("tls", "client.pem")), issuer=self.provider.issuer,
            service=SERVICE, client_id=CLIENT_ID, return_url=RETURN_URL, period=PERIOD_S, drift=DRIFT))

    # -- starting

    def _start_provider(self, ports):
        from idp import start
        callback = f"https://127.0.0.1:{ports['https']}/callback/sandbox"
        tls = tuple(self.path("tls", name) for name in ("server.pem", "server.key", "ca.pem"))
        try:
            self.provider = start(self.path("provider"), port=ports["provider"], certificate=tls,
                                  clients=[f"{CLIENT_ID}:secret:{callback}"])
        except OSError as error:
            raise Trouble(f"the OpenID Provider cannot listen on port {ports['provider']}, which {self.directory} "
                          f"belongs to: {error}. Use another --dir, or free the port.") from None

    def _start_daemon(self):
        ready, tell = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.build, "countersignd"), "-f", self.path("countersign.conf"), "--libexec", self.build,
                 "--plugins", self.path("plugins"), "--ready-fd", str(tell)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[tell], start_new_session=True,
                preexec_fn=die_with_parent)
        os.close(tell)
        with os.fdopen(ready, "rb", buffering=0) as pipe:
            heard, _, _ = select.select([pipe], [], [], READY_S)
            if not heard or pipe.read(1) == b"":
                with open(self.log, errors="replace") as log:
                    end = "".join(log.readlines()[-12:])
                raise Trouble(f"the broker did not become ready; the end of {self.log}:\n{end}")

    def start(self):
        """Milliseconds until the broker was ready."""
        if running(self.directory):
            raise Trouble(f"a broker runs in {self.directory} already; stop it with: "
                          f"packaging/quickstart --stop --dir {self.directory}")
        self._directories()
        self._plugins()
        ports = self._ports()
        authority.make(self.path("tls"))
        self._start_provider(ports)
        self._configure(ports)
        began = time.monotonic()
        self._start_daemon()
        took_ms = (time.monotonic() - began) * 1000
        self.endpoints = self._endpoints(ports)
        write_json(self.path("endpoints.json"), self.endpoints)
        return took_ms

    def _endpoints(self, ports):
        return {
            "socket": os.path.join(self.sockets, "service"),
            "admin_socket": os.path.join(self.sockets, "admin"),
            "https": f"https://127.0.0.1:{ports['https']}",
            "ca": self.path("tls", "ca.pem"),
            "client_cert": self.path("tls", "client.pem"),
            "client_key": self.path("tls", "client.key"),
            "provider": self.provider.issuer,
            "pid": self.process.pid,
            "service": SERVICE, "client_id": CLIENT_ID, "provider_name": "sandbox", "realm": "demonstration",
            "return_url": RETURN_URL, "totp_period_s": PERIOD_S,
            "config": self.path("countersign.conf"), "log": self.log,
            "countersignctl": os.path.join(self.build, "countersignctl"),
            "keeper_pid": os.getpid(), "keeper_start": process_start(os.getpid()),
        }

    # -- looking

    def engine_pid(self):
        """The daemon's child that runs countersign-engine."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            for pid in file.read().split():
                with open(f"/proc/{pid}/cmdline") as words:
                    if os.path.basename(words.read().split("\0")[0]) == "countersign-engine":
                        return int(pid)
        return None

    def memory_bytes(self):
        """Summed PSS of the daemon's processes."""
        total, pending = 0, [self.process.pid]
        while pending:
            pid = pending.pop()
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    pending += file.read().split()
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    total += next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
            except (OSError, StopIteration):
                continue
        return total

    # -- stopping

    def stop_unless_foreign(self):
        """After a start that may have failed because another broker runs here, which is then left alone."""
        if self.process is not None or self.provider is not None:
            self.stop()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.provider is not None:
            self.provider.stop()
        if self.short:
            shutil.rmtree(self.short, ignore_errors=True)
        try:
            os.unlink(self.path("endpoints.json"))
        except OSError:
            pass
