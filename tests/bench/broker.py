# SPDX-License-Identifier: Apache-2.0
"""The broker under measurement: the installed programs of a build tree, on SQLite, with accounts made beforehand."""
import concurrent.futures
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request

from process import Server, free_port

ROLES = ("countersignd", "countersign-engine", "countersign-gateway", "countersign-worker")
READY_S = 30

CONFIG = """# made by the benchmark
realm "benchmark"
run-directory "{d}/run"
state-directory "{d}/state"
listen service "{d}/service.sock"
listen admin "{d}/admin.sock"
listen https 127.0.0.1 port {port} {{ certificate "{tls}/server.pem" key "{tls}/server.key" client-ca "{tls}/ca.pem" }}
public-url "https://127.0.0.1:{port}"
{store}
keys {{ file "{d}/state/master.key" }}
cooling-off {{ link 0 factor 0 limit 0 }}
policy-limits CNY {{ per-payment 1000 per-day 1000000 per-month 10000000 count-day 1000000 count-month 1000000 }}
service "checkout" {{
    uid {uid}
    certificate-sha256 "{fingerprint}"
    door unix https
    rights spend refund link enrol respond lookup explain
    client-id "sandbox" "countersign-web"
    stack "checkout"
}}
provider "sandbox" {{
    plugin "{plugins}/oidc.so"
    servers {servers} deadline 5s queue 64
    cooling-off 0
    controls mail-domain "sandbox.test"
    syncs-secrets no
    set issuer "{issuer}"
    set client-id "countersign-web"
    set client-secret file "{d}/sandbox.secret"
    set ca-file "{ca}"
}}
factor "totp" {{ plugin "{plugins}/totp.so" servers 1 deadline 2s cooling-off 0 set issuer "Countersign" }}
stacks "{d}/services"
"""

STACK = """link   requisite   provider    sandbox
link   required    stepup      factors=1
spend  requisite   session     max-age=30d
spend  sufficient  allowance
spend  required    stepup      any=totp
"""


def missing(build):
    """The programs that the build tree lacks; empty where the broker can be measured."""
    names = ROLES + ("tests/bench/populate",)
    return [name for name in names if not os.access(os.path.join(build, name), os.X_OK)]


def _plugins(build):
    for directory in (".libs", "plugins/.libs", "plugins"):
        if os.path.exists(os.path.join(build, directory, "oidc.so")):
            return os.path.join(build, directory)
    raise RuntimeError(f"no oidc.so in {build}: build the plugins first (make)")


def _fingerprint(certificate):
    done = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"], check=True,
                          capture_output=True, text=True)
    return done.stdout.split("=")[1].strip().replace(":", "").lower()


def start_provider(source, scratch):
    sys.path.insert(0, os.path.join(source, "tests", "idp"))
    from idp import start
    os.makedirs(os.path.join(scratch, "idp"), exist_ok=True)
    return start(os.path.join(scratch, "idp"), clients=["countersign-web:secret:https://127.0.0.1:1/callback/sandbox"])


SQLITE = 'store sqlite {{ path "{d}/state/countersign.db" }}'


class Broker(Server):
    """`store`: its block in the configuration. `key`: the master key of another broker that shares its store, which has made
    the accounts; then this one makes none."""

    def __init__(self, build, scratch, tls, provider, accounts, name="broker", store=SQLITE, key=None, **kwargs):
        self.directory, self.port = os.path.join(scratch, name), free_port()
        self.path = os.path.join(self.directory, "service.sock")
        self.people = os.path.join(self.directory, "people")
        self.provider = provider
        for name in ("", "run", "state", "services"):
            os.mkdir(os.path.join(self.directory, name), 0o700)
        self._write("sandbox.secret", "secret\n")
        self._write("services/checkout", STACK)
        self._write("services/other", "spend  requisite  deny\n")
        self._write("countersign.conf", CONFIG.format(
            d=self.directory, store=store.format(d=self.directory, name=name), port=self.port, tls=tls, uid=os.getuid(), plugins=_plugins(build),
            fingerprint=_fingerprint(os.path.join(tls, "client.pem")), issuer=provider.issuer, ca=provider.ca,
            servers=2))
        conf = os.path.join(self.directory, "countersign.conf")
        if key:
            shutil.copy(key, os.path.join(self.directory, "state", "master.key"))
        else:
            subprocess.run([os.path.join(build, "tests/bench/populate"), conf, "--accounts", str(accounts), "--people",
                            self.people, "--issuer", provider.issuer], check=True)
        ready, tell = os.pipe()
        super().__init__([os.path.join(build, "countersignd"), "-f", conf, "--libexec", build, "--ready-fd", str(tell)],
                         os.path.join(scratch, name + ".log"), pass_fds=[tell], **kwargs)
        os.close(tell)
        with os.fdopen(ready, "rb") as pipe:
            heard, _, _ = select.select([pipe], [], [], READY_S)
            if not heard or pipe.read(1) == b"":
                self.wait_for(lambda: False, "become ready", 0)

    def _write(self, name, text):
        fd = os.open(os.path.join(self.directory, name), os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "w") as f:
            f.write(text)

    def call(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            data = b""
            while not data.endswith(b"\0"):
                more = s.recv(65536)
                if not more:
                    raise RuntimeError(f"the broker closed the connection at {method}; see {self.log}")
                data += more
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']} {reply.get('parameters')}")
        return reply["parameters"]

    def sign_ins(self, n, path):
        """Begins n sign-ins and has the provider sign a token for each: lines "sign_in id_token" for `load open`."""
        with open(self.people) as f:
            accounts = [next(f).split()[1] for _ in range(n)]
        tls = ssl.create_default_context(cafile=self.provider.ca)

        def one(account):
            begun = self.call("org.countersign.Sessions.Begin", provider="sandbox")
            body = json.dumps({"sub": "subject-" + account, "aud": "countersign-web", "nonce": begun["nonce"]})
            request = urllib.request.Request(f"{self.provider.issuer}/control/mint", body.encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, context=tls, timeout=10) as reply:
                return f"{begun['sign_in']} {json.load(reply)['id_token']}\n"

        with concurrent.futures.ThreadPoolExecutor(4) as pool, open(path, "w") as f:
            f.writelines(pool.map(one, accounts))
