# SPDX-License-Identifier: Apache-2.0
"""A whole broker for scenarios: countersignd and all its processes, a test clock, an OpenID Provider, certificates.

    broker = Broker()                         # ready when this returns
    shop = broker.service                     # the service of this uid, on the Unix socket
    market = broker.as_service("market")      # another one, by its certificate, the way the gateway asks for it
    person = broker.person()                  # a fresh account, with TOTP enrolled and an ID linked
    session = person.session()
    person.spend(session, "20.00")            # with what the step-up needs
    broker.clock.advance(60_000)              # wall and boot clock, the provider's too; no test sleeps
    broker.stop()
"""
import atexit
import base64
import contextlib
import datetime
import hashlib
import hmac
import http.client
import ipaddress
import itertools
import json
import mmap
import os
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BUILD = os.path.abspath(os.environ.get("CS_BUILDDIR", os.getcwd()))
SOURCE = os.path.abspath(os.environ.get("CS_SRCDIR", os.path.join(os.path.dirname(__file__), "..", "..")))
sys.path.insert(0, os.path.join(SOURCE, "tests", "idp"))

from idp import start as start_provider  # noqa: E402

READY_S = 30
STOP_S = 20
CALL_S = 20
# When the clock of every broker begins; CS_TEST_START looks for tests that another hour, or the end of a month, would break.
START = datetime.datetime.fromisoformat(os.environ.get("CS_TEST_START", "2030-01-02T01:00") + "+00:00")
START_MS = int(START.timestamp() * 1000)
HOUR_MS, DAY_MS = 3600_000, 24 * 3600_000
RETURN_URL = "https://shop.example/done"
RIGHTS = "spend refund link enrol respond lookup explain"

CONFIG = """realm "test"
run-directory "{d}/run"
state-directory "{d}/state"
listen service "{d}/service.sock"
listen admin "{d}/admin.sock"
{https}
store {store}
keys {{ file "{d}/state/master.key" }}
cooling-off {{ link {link_cooling_off} factor {factor_cooling_off} limit {limit_cooling_off} }}
policy-limits CNY {{ {policy_limits} }}
{services}
provider "sandbox" {{
    plugin "oidc"
    servers 2 deadline 20s queue 64
    cooling-off {link_cooling_off}
    controls mail-domain "sandbox.test"
    syncs-secrets no
    set issuer "{issuer}"
    set client-id "countersign-web"
    set client-secret file "{d}/sandbox.secret"
    set ca-file "{ca}"
    {provider_extra}
}}
factor "totp" {{ plugin "totp" servers 1 deadline 20s cooling-off {factor_cooling_off} set issuer "Countersign" {totp_extra} }}
{extra}
stacks "{d}/services"
"""

# Where the broker keeps its state: in a file, or, for whoever asks for it by CS_STORE, on redis-servers of this test run's own.
STORE = os.environ.get("CS_STORE", "sqlite")
SQLITE = 'sqlite {{ path "{d}/state/countersign.db" cache 1 MiB }}'
# Patient, for a machine that is busy with other tests: nothing here is about time.
REDIS = 'redis {{ {servers} prefix "{prefix}" name "{name}" replicas {replicas} lease {lease} timeout {timeout} cache 1 MiB {more} }}'

HTTPS = """listen https 127.0.0.1 port {port} {{ certificate "{d}/server.crt" key "{d}/server.key" client-ca "{d}/ca.crt" }}
public-url "{url}"
"""

SERVICE = """service "{name}" {{
    {uid}
    {certificate}
    door {doors}
    rights {rights}
    client-id "sandbox" "{client}"
    return-url "{return_url}"
    stack "checkout"
}}
"""

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
thaw    required    stepup      factors=1
view    required    stepup      factors=1
factor  required    stepup      factors=1
grant   required    stepup      factors=1
limit   required    stepup      factors=1
spend   requisite   session     max-age=30d
spend   sufficient  allowance
spend   required    stepup      any=totp
"""


class VarlinkError(Exception):
    """What a call was answered with instead of a reply: .name without its interface, .parameters."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.full_name, self.name, self.parameters = name, name.rpartition(".")[2], parameters


class Client:
    """Calls on one Unix connection. forward: the fingerprint of a certificate, to ask as the gateway would."""

    def __init__(self, path, forward=None):
        self.path, self.forward, self.pending, self.stale = path, forward, 0, False
        self._connect()

    def _connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        # Blocking, so that a full queue of connections is waited for as any client would; the kernel ends the wait.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", CALL_S, 0))
        self.socket.connect(self.path)
        self.socket.settimeout(CALL_S)
        self.buffer, self.stale = b"", False

    def send(self, method, _more=False, /, **parameters):
        method = method if method.startswith("org.") else "org.countersign." + method
        parameters = {k: v for k, v in parameters.items() if v is not None}
        if self.forward is not None:
            parameters = {"certificate_sha256": self.forward, "method": method, "parameters": parameters,
                          "ip": "192.0.2.1"}
            method = "org.countersign.Internal.Forward"
        message = {"method": method, "parameters": parameters}
        if _more:
            message["more"] = True
        if self.stale and self.pending == 0:
            # Time went on: the broker closes connections that were idle for as long, now or in a moment.
            self.socket.close()
            self._connect()
        self.pending += 1
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def read(self):
        """The next message, as it is; EOFError where the broker closed the connection."""
        while b"\0" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the broker closed the connection")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        if not message.get("continues"):
            self.pending -= 1
        return message

    def receive(self):
        message = self.read()
        error, parameters = message.get("error"), message.get("parameters", {})
        if self.forward is not None and error is None:
            error, parameters = parameters.get("error"), parameters["reply"]
        if error is not None:
            raise VarlinkError(error, parameters)
        return parameters

    def call(self, method, /, **parameters):
        """call("Sessions.Begin", provider="sandbox"): the reply's parameters, or VarlinkError."""
        self.send(method, **parameters)
        return self.receive()

    def fails(self, method, /, **parameters):
        """The error that this call must be answered with."""
        try:
            reply = self.call(method, **parameters)
        except VarlinkError as error:
            return error
        raise AssertionError(f"{method} answered {reply}")

    def watch(self, method, /, **parameters):
        """Replies of a call with `more`, one by one, until the last."""
        self.send(method, True, **parameters)
        while True:
            message = self.read()
            if "error" in message:
                raise VarlinkError(message["error"], message.get("parameters", {}))
            yield message.get("parameters", {})
            if not message.get("continues"):
                return

    def close(self):
        self.socket.close()


class Clock:
    """The clock of the test build: two int64 in shared memory, added to wall and boot time."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(bytes(16))
        self._file = open(path, "r+b")
        self._map = mmap.mmap(self._file.fileno(), 16)
        self._followers = []

    def follow(self, move):
        """move(offset_ms) is called now, and whenever wall time moves."""
        self._followers.append(move)
        move(self._offsets()[0])

    def _offsets(self):
        return struct.unpack("<qq", self._map[:])

    def set(self, wall_ms, boot_ms):
        """For clocks that misbehave; advance() is the honest one."""
        self._map[:] = struct.pack("<qq", wall_ms, boot_ms)
        for move in self._followers:
            move(wall_ms)

    def advance(self, ms):
        wall, boot = self._offsets()
        self.set(wall + ms, boot + ms)

    def morning(self):
        """On to one o'clock of the next day (UTC), for a test of a day's sums that lets hours pass."""
        self.advance(DAY_MS - (self.now_ms() - HOUR_MS) % DAY_MS)

    def now_ms(self):
        return int(time.time() * 1000) + self._offsets()[0]

    def close(self):
        self._map.close()
        self._file.close()


def totp_code(secret, step, digits=6, algorithm="sha1"):
    """RFC 6238 over RFC 4226."""
    mac = hmac.new(secret, struct.pack(">Q", step), algorithm).digest()
    at = mac[-1] & 15
    return str((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 10 ** digits).zfill(digits)


class Totp:
    """An authenticator app, from the otpauth: URI that it was shown."""

    def __init__(self, clock, uri):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(uri).query))
        secret = query["secret"]
        self.clock = clock
        self.secret = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
        self.period = int(query.get("period", 30))
        self.digits = int(query.get("digits", 6))
        self.algorithm = query.get("algorithm", "SHA1").lower()
        self.used = -1
        self.id = None

    def step(self):
        return self.clock.now_ms() // 1000 // self.period

    def at(self, step):
        return totp_code(self.secret, step, self.digits, self.algorithm)

    def code(self):
        """A code that was not used yet; time moves on where the present one was."""
        if self.step() <= self.used:
            self.clock.advance((self.used + 1 - self.step()) * self.period * 1000)
        self.used = self.step()
        return self.at(self.used)

    def wrong(self):
        """A code that is no step's anywhere near."""
        near = {self.at(self.step() + i) for i in range(-5, 6)}
        return next(code for code in (str(n).zfill(self.digits) for n in itertools.count()) if code not in near)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_certificate(directory, name, issuer=None, server=False):
    """NAME.crt and NAME.key; issuer is what this function gave for the CA. Gives (certificate, key, name)."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer[2] if issuer else name))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=3650))
               .add_extension(x509.BasicConstraints(issuer is None, None), True))
    if issuer is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    if server:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]), False)
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    _write(os.path.join(directory, name + ".crt"), certificate.public_bytes(serialization.Encoding.PEM))
    _write(os.path.join(directory, name + ".key"), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, key, name


def _write(path, data):
    data = data.encode() if isinstance(data, str) else data
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(data)


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Provider:
    """The OpenID Provider, with its control calls and what a browser does there."""

    def __init__(self, directory, redirect):
        os.mkdir(directory)
        self._running = start_provider(directory, clients=[f"countersign-web:secret:{redirect}"])
        self.issuer, self.ca = self._running.issuer, self._running.ca
        self.context = ssl.create_default_context(cafile=self.ca)
        self.control("client", id="countersign-app", secret="", redirect_uris=[])
        self.control("client", id="another-app", secret="", redirect_uris=[])

    def ask(self, method, path, body=None, headers=None):
        host = urllib.parse.urlsplit(self.issuer).netloc
        connection = http.client.HTTPSConnection(host, context=self.context, timeout=CALL_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def control(self, call, **members):
        response, body = self.ask("POST", "/control/" + call, json.dumps(members),
                                  {"Content-Type": "application/json"})
        answer = json.loads(body)
        if response.status != 200:
            raise RuntimeError(f"{call}: {answer}")
        return answer

    def token(self, subject, nonce, aud="countersign-app", **members):
        """An ID token as a native app gets it; corrupt, overrides and the like as the provider's README says."""
        return self.control("mint", sub=subject, aud=aud, nonce=nonce, **members)["id_token"]

    def calm(self):
        """Turns off whatever a test made it do."""
        response, body = self.ask("GET", "/control")
        on = json.loads(body)["on"]
        if response.status == 200 and on:
            self.control("misbehave", **{name: False for name in on})

    def move_clock(self, offset_ms):
        self.control("clock", offset_s=offset_ms // 1000)

    def sign_in(self, location, user):
        """Follows an authorization URL as this user's browser; where the provider sends it back to."""
        parts = urllib.parse.urlsplit(location)
        query = urllib.parse.urlencode(urllib.parse.parse_qsl(parts.query) +
                                       [("prompt", "none"), ("login_hint", user)])
        response, body = self.ask("GET", parts.path + "?" + query)
        assert response.status == 303, (response.status, body)
        return response.headers["Location"]

    def stop(self):
        self._running.stop()


class Browser:
    """A browser without scripts: cookies, and requests to the broker's pages."""

    def __init__(self, broker):
        self.broker, self.cookies = broker, {}

    def ask(self, method, url, body=None, headers=None):
        """(status, headers, body) of a path, or of a URL that must be the broker's."""
        if not url.startswith("/"):
            assert url.startswith(self.broker.url + "/"), url
            url = url[len(self.broker.url):]
        headers = dict(headers or {})
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        status, got, text = self.broker.web(method, url, body, None, headers)
        for line in got.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return status, got, text.decode()

    def get(self, url):
        return self.ask("GET", url)

    def post(self, url, **fields):
        return self.ask("POST", url, urllib.parse.urlencode(fields),
                        {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.broker.url})

    def leave(self, start_url):
        """Opens a start URL; gives the provider's URL that it redirects to."""
        status, headers, text = self.get(start_url)
        assert status in (302, 303), (status, text)
        return headers["Location"]

    def sign_in(self, start_url, user):
        """Through the provider and back; gives the broker's answer to the callback."""
        return self.get(self.broker.provider.sign_in(self.leave(start_url), user))


class Person:
    """An account with its owner: a TOTP app, and IDs at the provider."""

    _numbers = itertools.count(1)

    def __init__(self, broker, service=None):
        n = next(Person._numbers)
        self.broker, self.service = broker, service or broker.service
        self.account, self.subject = f"account-{n}", f"subject-{n}"
        self.totp = self.link_id = None
        self._payments = itertools.count(1)

    def enrol(self, challenge=None, service=None):
        """Enrols a TOTP app; the first, or the next by a completed challenge."""
        call = (service or self.service).call
        begun = call("Factors.Begin", account=self.account, kind="totp", label="phone", challenge=challenge,
                     proof="passport" if challenge is None else None)
        assert begun["outcome"] == "permit", begun
        shown = next(step for step in begun["steps"] if step["type"] == "show")
        asked = next(step for step in begun["steps"] if step["type"] == "code")
        totp = Totp(self.broker.clock, shown["uri"])
        done = call("Factors.Finish", enrolment=begun["enrolment"],
                    answers=[{"step": asked["id"], "value": totp.code()}])
        assert done["outcome"] == "permit", done
        totp.id = done["factor"]["id"]
        self.totp = totp
        return totp

    def confirm(self, challenge, totp=None, service=None):
        """Answers a challenge rightly."""
        call = (service or self.service).call
        shown = call("StepUp.Get", challenge=challenge)
        step = next(s for s in shown["steps"] if s["kind"] == "totp")
        answer = call("StepUp.Respond", challenge=challenge,
                      answers=[{"step": step["id"], "value": (totp or self.totp).code()}])
        assert answer["state"] in ("done", "used"), answer
        return answer

    def propose(self, subject=None, service=None, **corrupt):
        """Links.Begin and Links.Complete, as a native app."""
        call = (service or self.service).call
        begun = call("Links.Begin", account=self.account, provider="sandbox", native=True)
        token = self.broker.provider.token(subject or self.subject, begun["nonce"], **corrupt)
        return call("Links.Complete", sign_in=begun["sign_in"], id_token=token)

    def link(self, subject=None, service=None):
        """Links an ID, with the countersignature; gives the link."""
        proposed = self.propose(subject, service)
        assert proposed["outcome"] == "step_up", proposed
        self.confirm(proposed["challenge"]["id"], service=service)
        link = (service or self.service).call("Links.Get", link=proposed["link"]["id"])["link"]
        assert link["state"] in ("active", "cooling_off"), link
        self.link_id = link["id"]
        return link

    def open(self, subject=None, service=None, **mint):
        """Sessions.Begin and Sessions.Open: the whole reply."""
        call = (service or self.service).call
        begun = call("Sessions.Begin", provider="sandbox")
        token = self.broker.provider.token(subject or self.subject, begun["nonce"], **mint)
        return call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)

    def session(self, subject=None, service=None):
        opened = self.open(subject, service)
        assert opened["outcome"] == "permit", opened
        return opened["session"]

    def payment(self, amount="20.00", currency="CNY", payee="m-7", name="Corner Shop", id=None):
        return {"id": id or f"order-{next(self._payments)}", "amount": amount, "currency": currency,
                "payee": {"id": payee, "name": name}}

    def authorize(self, session, payment, service=None, **rest):
        return (service or self.service).call("Payments.Authorize", session=session, payment=payment, **rest)

    def spend(self, session, amount="20.00", service=None, **rest):
        """Authorizes a new payment, confirms where a step-up is asked for, and gives the permit."""
        payment = self.payment(amount)
        answer = self.authorize(session, payment, service, **rest)
        if answer["outcome"] == "step_up":
            self.confirm(answer["challenge"]["id"], service=service)
            answer = self.authorize(session, payment, service, **rest)
        assert answer["outcome"] == "permit", answer
        return answer


def _children(pid):
    """Every process below this one that has not ended."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            below = [int(word) for word in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return below + [each for child in below for each in _children(child)]


_fleets = {}


def shared_fleet(kind=STORE):
    """The redis-servers that all tests of this process use, each broker with keys of its own: "redis" or "cluster"."""
    sys.path.insert(0, os.path.join(SOURCE, "tests", "cluster"))
    from servers import fleets
    if kind not in _fleets:
        _fleets[kind] = fleets()[kind]()
        atexit.register(_fleets[kind].stop)
    return _fleets[kind]


def redis_store(fleet, prefix, name, replicas=None, lease="2s", timeout="3s", more=""):
    """The words of the configuration for these servers. replicas None: what there are, as far as one."""
    addresses = " ".join(f'"{address}"' for address in fleet.addresses)
    servers = {"single": f"server {addresses}", "cluster": f"cluster {addresses}",
               "sentinel": f'sentinel "countersign" {addresses}'}[fleet.mode]
    if replicas is None:
        replicas = 0 if fleet.mode == "single" else 1
    return REDIS.format(servers=servers, prefix=prefix, name=name, replicas=replicas, lease=lease, timeout=timeout, more=more)


class Broker:
    """
    Keywords change the configuration: https=False (checkout alone, on its socket), link_cooling_off="24h",
    factor_cooling_off, limit_cooling_off, policy_limits, stack, provider_extra (lines of the provider), totp_extra, extra (lines of the file),
    rights={"market": "lookup"}, clients=["PROVIDER", ("PROVIDER", "CLIENT")] (where checkout has the client id "countersign-app" or that one, besides the sandbox),
    host="localhost" (of the public URL: passkeys need a name); {url} in extra is that URL, {issuer} (in provider_extra, too) and {ca} the provider's.
    store="redis { ... }" (redis_store() writes it), beside=BROKER: another one of the same realm, with its keys, provider, clock and public URL.
    """

    SERVICES = {"checkout": "countersign-app", "market": "another-app"}

    def __init__(self, https=True, link_cooling_off="0", factor_cooling_off="0", limit_cooling_off="0", stack=STACK, provider_extra="", totp_extra="",
                 extra="", rights=None, clients=(), host="127.0.0.1", store=None, beside=None,
                 policy_limits="per-payment 1000 per-day 3000 per-month 20000 count-day 100 count-month 1000"):
        self.dir = tempfile.mkdtemp(prefix="cs.")
        self._clients, self._process, self.provider, self._beside = [], None, None, None
        try:
            self.port = _free_port() if https else None
            self.url = (beside.url if beside else f"https://{host}:{self.port}") if https else None
            self._beside = beside
            if beside:
                self.clock, self.provider = beside.clock, beside.provider
            else:
                self.clock = Clock(self.path("clock"))
                redirect = f"{self.url or 'https://127.0.0.1:1'}/callback/sandbox"
                self.provider = Provider(self.path("idp"), redirect)
                self.clock.follow(self.provider.move_clock)
            self.clock.follow(self._time_went_on)
            self._certificates()
            self._files(https, stack, rights or {}, clients, dict(
                store=store or self._store(),
                d=self.dir, port=self.port, url=self.url, link_cooling_off=link_cooling_off, factor_cooling_off=factor_cooling_off,
                limit_cooling_off=limit_cooling_off,
                policy_limits=policy_limits, provider_extra=provider_extra.replace("{issuer}", self.provider.issuer), totp_extra=totp_extra,
                extra=extra.replace("{url}", self.url or "").replace("{issuer}", self.provider.issuer)
                .replace("{ca}", self.provider.ca),
                issuer=self.provider.issuer, ca=self.provider.ca))
            self.start()
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.dir, name)

    def _time_went_on(self, _):
        for client in self._clients:
            client.stale = True

    def _store(self):
        if STORE == "sqlite":
            return SQLITE.format(d=self.dir)
        return redis_store(shared_fleet(), os.path.basename(self.dir).replace(".", "-"), "harness")

    def _certificates(self):
        if self._beside:
            for name in os.listdir(self._beside.dir):
                if name.endswith((".crt", ".key")):
                    shutil.copy(self._beside.path(name), self.path(name))
            self.fingerprints = self._beside.fingerprints
            return
        ca = make_certificate(self.dir, "ca")
        make_certificate(self.dir, "server", ca, server=True)
        self.fingerprints = {}
        for name in [*self.SERVICES, "stranger"]:
            certificate = make_certificate(self.dir, name, ca)[0]
            der = certificate.public_bytes(serialization.Encoding.DER)
            self.fingerprints[name] = hashlib.sha256(der).hexdigest()

    def _files(self, https, stack, rights, clients, values):
        for name in ("run", "state", "services", "plugins"):
            os.mkdir(self.path(name), 0o700)
        for name in ("oidc.so", "google.so", "microsoft.so", "totp.so", "webauthn.so", "approve.so", "otp.so", "recovery.so", "pam.so", "webhook.so", "push.so", "oauth2.so", "apple.so",
                     "wechat.so", "alipay.so", "misbehave.so"):
            # Where libtool built it; the broker takes real files only.
            built = os.path.join(BUILD, "plugins", ".libs", name)
            if os.path.exists(built):
                shutil.copyfile(built, self.path("plugins/" + name))
        if self._beside:
            shutil.copy(self._beside.path("state/master.key"), self.path("state/master.key"))
        _write(self.path("sandbox.secret"), "secret\n")
        _write(self.path("services/checkout"), stack)
        _write(self.path("services/other"), "spend  requisite  deny\n")
        services = ""
        for name, client in self.SERVICES.items():
            certificate = f'certificate-sha256 "{self.fingerprints[name]}"' if https else ""
            doors = ["unix"] * (name == "checkout") + ["https"] * https
            if doors:
                services += SERVICE.format(name=name, certificate=certificate, client=client, return_url=RETURN_URL,
                                           uid=f"uid {os.getuid()}" if name == "checkout" else "",
                                           doors=" ".join(doors), rights=rights.get(name, RIGHTS))
        first = f'client-id "sandbox" "{self.SERVICES["checkout"]}"'
        more = ['"sandbox" "countersign-web"', *('"{}" "{}"'.format(*(c if isinstance(c, tuple) else (c, "countersign-app")))
                                                 for c in clients)]
        services = services.replace(first, "\n    ".join([first, *("client-id " + ids for ids in more)]))
        _write(self.path("countersign.conf"), CONFIG.format(
            services=services, https=HTTPS.format(**values) if https else "", **values))

    def start(self, wait=True):
        """Starts countersignd; also after a stop or a kill, on the same state. wait=False: started() does the rest."""
        self._ready, tell = os.pipe()
        with open(self.path("log"), "ab") as log:
            self._process = subprocess.Popen(
                [os.path.join(BUILD, "countersignd"), "-d", "-f", self.path("countersign.conf"), "--libexec",
                 os.path.join(BUILD, "testlibexec"), "--plugins", self.path("plugins"), "--ready-fd", str(tell)],
                pass_fds=[tell], stdin=subprocess.DEVNULL, stderr=log,
                env={**os.environ, "CS_TEST_CLOCK": self.clock.path})
        os.close(tell)
        if wait:
            self.started()

    def started(self):
        """Until it is ready."""
        with os.fdopen(self._ready, "rb") as pipe:
            heard, _, _ = select.select([pipe], [], [], READY_S)
            if not heard or pipe.read(1) == b"":
                raise RuntimeError("the broker did not start:\n" + self.log())
        self.service = self.connect("service.sock")
        self.admin = self.connect("admin.sock")

    def connect(self, name="service.sock"):
        """Another connection to one of the sockets."""
        return self._keep(Client(self.path(name)))

    def _keep(self, client):
        self._clients.append(client)
        return client

    def gateway(self):
        """What the gateway itself may ask."""
        return self.connect("run/gateway.sock")

    def as_service(self, name):
        """A service by its certificate ("stranger": of no service), asked for the way the gateway does."""
        return self._keep(Client(self.path("run/gateway.sock"), self.fingerprints.get(name, name)))

    def person(self, linked=True, **rest):
        """A fresh account with TOTP enrolled, and an ID linked."""
        person = Person(self, **rest)
        person.enrol()
        if linked:
            person.link()
        return person

    def web(self, method, path, body=None, certificate="checkout", headers=None):
        """One HTTPS request; gives (status, headers, body). certificate None: a browser."""
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        if certificate is not None:
            context.load_cert_chain(self.path(certificate + ".crt"), self.path(certificate + ".key"))
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=CALL_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def log(self):
        try:
            with open(self.path("log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def running(self):
        return self._process is not None and self._process.poll() is None

    def halt(self):
        """Ends countersignd in order and keeps its state; gives its exit status."""
        for client in self._clients:
            client.close()
        self._clients = []
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process = None
        return status

    def kill(self):
        """kill -9 of the parent, and with it of every process of the broker; over when the last of them is gone."""
        # Stopped first, so that it starts nothing that is not on the list.
        self._process.send_signal(signal.SIGSTOP)
        gone = []
        for pid in _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                gone.append(os.pidfd_open(pid))
        self._process.kill()
        self._process.wait()
        self._process = None
        for pidfd in gone:
            heard, _, _ = select.select([pidfd], [], [], STOP_S)
            os.close(pidfd)
            assert heard, "a process of the broker outlives its parent"
        for client in self._clients:
            client.close()
        self._clients = []

    def stop(self):
        status = self.halt()
        if self.provider is not None and self._beside is None:
            self.provider.stop()
        if hasattr(self, "clock") and self._beside is None:
            self.clock.close()
        shutil.rmtree(self.dir)
        return status
