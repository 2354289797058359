# SPDX-License-Identifier: Apache-2.0
"""Starts the gateway as its parent does, with certificates made for the occasion, before a double of the engine."""
import contextlib
import datetime
import fcntl
import hashlib
import http.client
import ipaddress
import mmap
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fake_engine import FakeEngine

BUILD = os.environ.get("CS_BUILDDIR", os.getcwd())
SOURCE = os.environ.get("CS_SRCDIR", os.path.join(os.path.dirname(__file__), "..", ".."))


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_certificate(directory, name, issuer=None, usage=None, ca=False):
    """A P-256 certificate and its key as NAME.crt and NAME.key; issuer is what this function returned for a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer[2] if issuer else name))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
               .add_extension(x509.BasicConstraints(ca, None), True))
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    if usage == ExtendedKeyUsageOID.SERVER_AUTH:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]), False)
    cert = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    with open(os.path.join(directory, name + ".crt"), "wb") as f:
        f.write(cert.public_bytes(serialization.Encoding.PEM))
    with open(os.open(os.path.join(directory, name + ".key"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    return cert, key, name


def _boot_ms():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000


class Clock:
    """The clock of test builds: two int64, added to wall and boot time, and one at which time stands still."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(24))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 24)

    def forward(self, ms):
        wall, boot = struct.unpack("<qq", self.map[:16])
        self.map[:16] = struct.pack("<qq", wall + ms, boot + ms)

    @contextlib.contextmanager
    def still(self):
        """No deadline of the gateway passes meanwhile, however long it takes."""
        at = _boot_ms()
        self.map[16:] = struct.pack("<q", at)
        try:
            yield
        finally:
            wall, boot, _ = struct.unpack("<qqq", self.map[:])
            passed = _boot_ms() - at
            self.map[:] = struct.pack("<qqq", wall - passed, boot - passed, 0)


class Gateway:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="csgw.")
        ca = make_certificate(self.dir, "ca", ca=True)
        make_certificate(self.dir, "server", ca, ExtendedKeyUsageOID.SERVER_AUTH)
        cert = make_certificate(self.dir, "service", ca, ExtendedKeyUsageOID.CLIENT_AUTH)[0]
        make_certificate(self.dir, "stranger-ca", ca=True)
        make_certificate(self.dir, "stranger", (None, ca[1], "stranger"), ExtendedKeyUsageOID.CLIENT_AUTH)
        self.fingerprint = hashlib.sha256(cert.public_bytes(serialization.Encoding.DER)).hexdigest()
        self.engine = FakeEngine(os.path.join(self.dir, "gateway.sock"))
        self.clock = Clock(os.path.join(self.dir, "clock"))
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._start()

    def _config(self):
        return f'''generation 1
realm "test"
run-directory "{self.dir}"
state-directory "{self.dir}"
listen service "{self.dir}/socket"
listen admin "{self.dir}/admin"
listen https 127.0.0.1 port {self.port} {{
	certificate "{self.dir}/server.crt"
	key "{self.dir}/server.key"
	client-ca "{self.dir}/ca.crt"
}}
public-url "{self.url}"
store mem
'''.encode()

    def _start(self):
        memfd = os.memfd_create("config", os.MFD_ALLOW_SEALING)
        os.write(memfd, self._config())
        ready_read, ready_write = os.pipe()
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        give = {3: memfd, 4: ready_write, 5: control.fileno(), 6: self.listener.fileno()}
        moved = {to: fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for to, fd in give.items()}
        move = " ".join(f"{to}<&{fd} {fd}<&-" for to, fd in moved.items())
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {move}', "bash",
             os.path.join(BUILD, "testlibexec", "countersign-gateway"), "--listen", "https=6", *os.environ.get("CS_GATEWAY_FLAGS", "-d").split()],
            pass_fds=tuple(moved.values()), stderr=self.log,
            env={**os.environ, "CS_TEST_CLOCK": os.path.join(self.dir, "clock")})
        for fd in moved.values():
            os.close(fd)
        os.close(memfd)
        os.close(ready_write)
        control.close()
        if os.read(ready_read, 1) != b"\n":
            raise RuntimeError("the gateway did not start:\n" + self.log_text())
        os.close(ready_read)

    def log_text(self):
        with open(os.path.join(self.dir, "log"), "r", encoding="utf-8", errors="replace") as f:
            return f.read()

    def context(self, certificate="service"):
        c = ssl.create_default_context(cafile=os.path.join(self.dir, "ca.crt"))
        if certificate:
            c.load_cert_chain(os.path.join(self.dir, certificate + ".crt"), os.path.join(self.dir, certificate + ".key"))
        return c

    def connect(self, certificate="service", rcvbuf=None):
        """A TLS connection."""
        s = socket.socket()
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.settimeout(20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect(("127.0.0.1", self.port))
        return self.context(certificate).wrap_socket(s, server_hostname="127.0.0.1")

    def client(self, certificate="service", timeout=20):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(certificate), timeout=timeout)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.control.close()
        self.log.close()
        self.listener.close()
        self.engine.stop()
        text = self.log_text()
        shutil.rmtree(self.dir)
        return code, text
