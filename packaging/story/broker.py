# SPDX-License-Identifier: Apache-2.0
"""One broker with an OpenID Provider and a store of its own, in one directory: made, started, found again, stopped."""
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import authority
from common import TOP, Trouble, die_with_parent, free_ports, process_start, read_json, write_json
from fleet import Fleet

sys.path.insert(0, os.path.join(TOP, "tests", "idp"))

STORES = ("sqlite", "redis", "cluster")
MASTERS = 3
READY_S = 30
STOP_S = 20
SOCKET_PATH_MAX = 100  # sun_path has 108 bytes, with its NUL
LONGEST_SOCKET = "/run/worker-sandbox.9999.sock"
PERIOD_S, DRIFT = 10, 2
SERVICE, CLIENT_ID, RETURN_URL = "checkout", "checkout-web", "https://shop.example/done"

CONFIG = """# Made by packaging/quickstart. For a demonstration only: codes change every {period} seconds, and links and factors can
# be used at once (cooling-off 0). An installation keeps 30 seconds and 24 hours; see countersign.conf(5).
realm "demonstration"
run-directory "{run}"
state-directory "{dir}/state"
listen service "{sockets}/service"
listen admin "{sockets}/admin"
listen https 127.0.0.1 port {port} {{
    certificate "{tls}/server.pem"
    key "{tls}/server.key"
    client-ca "{tls}/ca.pem"
}}
public-url "{url}"
store {store}
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
    set ca-file "{tls}/ca.pem"
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


def running(directory):
    """The endpoints of the broker that runs in the directory, or None."""
    endpoints = read_json(os.path.join(directory, "endpoints.json"))
    if endpoints and process_start(endpoints.get("keeper_pid")) == endpoints.get("keeper_start", -1):
        return endpoints
    return None


class Broker:
    """Everything is in `directory`, but for sockets when its path is too long for them."""

    def __init__(self, build, directory, store="sqlite", first=None):
        """first: a broker that runs, whose store, keys, certificates and provider this one shares."""
        self.build, self.directory = os.path.abspath(build), os.path.abspath(directory)
        self.kind, self.first = store, first
        self.process = self.provider = self.short = self.fleet = None
        self.log = os.path.join(self.directory, "broker.log")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    @property
    def name(self):
        return os.path.basename(self.directory)

    @property
    def tls(self):
        return self.first.tls if self.first else self.path("tls")

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
            if self.first:  # as behind one load balancer
                ports["provider"], ports["public"] = self.first.ports["provider"], self.first.ports["https"]
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
            url=f"https://127.0.0.1:{ports.get('public', ports['https'])}", tls=self.tls, store=self._store(),
            fingerprint=authority.fingerprint(os.path.join(self.tls, "client.pem")), issuer=self.provider.issuer,
            service=SERVICE, client_id=CLIENT_ID, return_url=RETURN_URL, period=PERIOD_S, drift=DRIFT))

    def _store(self):
        return self.fleet.store(self.name) if self.fleet else f'sqlite {{ path "{self.directory}/state/countersign.db" }}'

    # -- starting

    def _share(self):
        """What brokers of one store have in common: its servers, the key file, the provider."""
        self.fleet, self.provider = self.first.fleet, self.first.provider
        with open(self.first.path("state", "master.key"), "rb") as file:
            authority.private_file(self.path("state", "master.key"), file.read())

    def _start_alone(self, ports):
        authority.make(self.tls)
        self._start_provider(ports)
        if self.kind != "sqlite":
            self.fleet = Fleet(self.path("redis"), self.sockets, MASTERS if self.kind == "cluster" else None)
            self.fleet.start()

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
        return ready

    def _wait(self, ready):
        with os.fdopen(ready, "rb", buffering=0) as pipe:
            heard, _, _ = select.select([pipe], [], [], READY_S)
            if not heard or pipe.read(1) == b"":
                with open(self.log, errors="replace") as log:
                    end = "".join(log.readlines()[-12:])
                raise Trouble(f"the broker did not become ready; the end of {self.log}:\n{end}")

    def start(self):
        """Milliseconds until the broker was ready."""
        return self.begin()()

    def begin(self):
        """Starts it, and gives a function that waits for it and returns those milliseconds."""
        if running(self.directory):
            raise Trouble(f"a broker runs in {self.directory} already; stop it with: "
                          f"packaging/quickstart --stop --dir {self.directory}")
        self._directories()
        self._plugins()
        self.ports = ports = self._ports()
        if self.first:
            self._share()
        else:
            self._start_alone(ports)
        self._configure(ports)
        began = time.monotonic()
        ready = self._start_daemon()

        def wait():
            self._wait(ready)
            self.endpoints = self._endpoints(ports)
            write_json(self.path("endpoints.json"), self.endpoints)
            return (time.monotonic() - began) * 1000
        return wait

    def _endpoints(self, ports):
        return {
            "socket": os.path.join(self.sockets, "service"),
            "admin_socket": os.path.join(self.sockets, "admin"),
            "https": f"https://127.0.0.1:{ports['https']}",
            "ca": os.path.join(self.tls, "ca.pem"),
            "client_cert": os.path.join(self.tls, "client.pem"),
            "client_key": os.path.join(self.tls, "client.key"),
            "provider": self.provider.issuer,
            "pid": self.process.pid,
            "service": SERVICE, "client_id": CLIENT_ID, "provider_name": "sandbox", "realm": "demonstration",
            "return_url": RETURN_URL, "totp_period_s": PERIOD_S,
            "config": self.path("countersign.conf"), "log": self.log, "store": self.kind,
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
        if self.process is not None or self.provider is not None or self.fleet is not None:
            self.stop()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.first is None and self.provider is not None:
            self.provider.stop()
        if self.first is None and self.fleet is not None:
            self.fleet.stop()
        if self.short:
            shutil.rmtree(self.short, ignore_errors=True)
        try:
            os.unlink(self.path("endpoints.json"))
        except OSError:
            pass
