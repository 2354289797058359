# SPDX-License-Identifier: Apache-2.0
"""Where messages arrive in tests: a mail server and a gateway for text messages, on loopback, that can be told to fail.

    keys = certificates(directory)             # keys.ca, keys.good, keys.foreign (of an authority that nobody trusts)
    mail = MailSink(keys.good)                 # mail.url: smtp://127.0.0.1:PORT
    sms = SmsGateway(keys.good)                # sms.url: https://127.0.0.1:PORT/send
    mail.faults = ["hang", "tempfail"]         # of the next connections, one each; then all is well again
    mail.messages[-1].text                     # what arrived whole
"""
import base64
import collections
import datetime
import email
import email.policy
import http.server
import ipaddress
import os
import socket
import socketserver
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Keys = collections.namedtuple("Keys", "ca good foreign")
Mail = collections.namedtuple("Mail", "sender recipients raw message text user")
Sms = collections.namedtuple("Sms", "path headers body")


def _certificate(name, key, issuer, issuer_key, authority):
    start = datetime.datetime.utcnow() - datetime.timedelta(days=1)
    builder = (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
               .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(start)
               .not_valid_after(start + datetime.timedelta(days=3650))
               .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True))
    if not authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def certificates(directory):
    """ca: the path of an authority's certificate; good and foreign: contexts of servers."""
    made = {}
    for issuer in ("Test CA", "Foreign CA"):
        authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        stem = os.path.join(str(directory), issuer.split()[0].lower())
        with open(stem + "-ca.pem", "wb") as f:
            f.write(_certificate(issuer, authority, issuer, authority, True))
        with open(stem + ".pem", "wb") as f:
            f.write(_certificate("localhost", key, issuer, authority, False))
            f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()))
        made[issuer] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made[issuer].load_cert_chain(stem + ".pem")
    return Keys(os.path.join(str(directory), "test-ca.pem"), made["Test CA"], made["Foreign CA"])


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a client that goes away is what many tests are about


class Sink:
    """What both have in common: faults, what arrived, and an end that frees who hangs."""

    def __init__(self, server):
        self.faults, self.messages, self.connections, self.closing = [], [], 0, threading.Event()
        self.lock = threading.Condition()
        self.server = server
        server.sink = self
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def next_fault(self):
        with self.lock:
            self.connections += 1
            return self.faults.pop(0) if self.faults else None

    def keep(self, message):
        with self.lock:
            self.messages.append(message)
            self.lock.notify_all()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class _MailHandler(socketserver.BaseRequestHandler):
    """RFC 5321, as much as a client needs; STARTTLS after RFC 3207, AUTH PLAIN after RFC 4954."""

    def say(self, *lines):
        self.stream.sendall("".join(line + "\r\n" for line in lines).encode())

    def line(self):
        while b"\r\n" not in self.rest:
            data = self.stream.recv(4096)
            if not data:
                raise ConnectionError
            self.rest += data
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line.decode("latin-1")

    def body(self):
        lines = []
        while True:
            line = self.line()
            if line == ".":
                return "\r\n".join(lines) + "\r\n"
            lines.append(line[1:] if line.startswith(".") else line)
            if self.fault == "drop_in_data":
                raise ConnectionError

    def handle(self):
        self.sink, self.stream, self.rest = self.server.sink, self.request, b""
        self.fault = self.sink.next_fault()
        self.secure, self.user, self.sender, self.recipients = False, None, None, []
        if self.fault == "hang":
            self.sink.closing.wait()
        elif self.fault == "refuse":
            self.say("554 no service here")
        elif self.fault != "drop":
            if self.sink.implicit:
                self.start_tls()
            self.say("220 sink.test ESMTP")
            while self.command(self.line()):
                pass

    def start_tls(self):
        self.stream = self.sink.context.wrap_socket(self.stream, server_side=True)
        self.secure, self.rest = True, b""

    def hello(self):
        offers = ["250-sink.test"]
        if self.sink.context is not None and not self.secure and self.fault != "no_starttls":
            offers.append("250-STARTTLS")
        self.say(*offers, "250-AUTH PLAIN", "250 8BITMIME")

    def authenticate(self, words):
        if len(words) < 3:
            self.say("334 ")
            words = words[:2] + [self.line()]
        _, self.user, password = base64.b64decode(words[2]).decode().split("\0")
        self.user = (self.user, password)
        self.say("235 welcome" if password == self.sink.password else "535 no")

    def command(self, line):
        words = line.split(" ")
        verb = words[0].upper()
        if verb in ("EHLO", "HELO"):
            self.hello()
        elif verb == "STARTTLS":
            self.say("220 go on")
            self.start_tls()
        elif verb == "AUTH":
            self.authenticate(words)
        elif verb == "MAIL":
            self.sender = line[line.index("<") + 1:line.index(">")]
            self.say("250 ok")
        elif verb == "RCPT":
            self.recipients.append(line[line.index("<") + 1:line.index(">")])
            self.say({"tempfail": "451 come back later", "unknown": "550 nobody here"}.get(self.fault, "250 ok"))
        elif verb == "DATA":
            self.data()
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("250 ok")
        return True

    def data(self):
        self.say("354 go on")
        raw = self.body()
        if self.fault == "drop_after_data":
            raise ConnectionError
        if self.fault == "late_refusal":
            self.say("452 the disk is full")
            return
        message = email.message_from_string(raw, policy=email.policy.default)
        self.sink.keep(Mail(self.sender, self.recipients, raw, message, message.get_content(), self.user))
        self.say("250 taken")


class MailSink(Sink):
    """context: None for a server without TLS; implicit: TLS from the first byte (smtps)."""

    def __init__(self, context=None, implicit=False, password="open sesame"):
        self.context, self.implicit, self.password = context, implicit, password
        super().__init__(_Server(("127.0.0.1", 0), _MailHandler))
        self.url = f"{'smtps' if implicit else 'smtp'}://127.0.0.1:{self.port}"


class _SmsHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        sink = self.server.sink
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = sink.next_fault()
        self.close_connection = True
        if fault == "hang":
            sink.closing.wait()
        if fault in ("hang", "drop"):
            return
        status = fault if isinstance(fault, int) else 200
        if status == 200:
            sink.keep(Sms(self.path, dict(self.headers), body.decode()))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"https://127.0.0.1:{sink.port}/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


class _HttpsServer(_Server):
    def get_request(self):
        connection, address = super().get_request()
        connection.settimeout(20)
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


class SmsGateway(Sink):
    def __init__(self, context):
        server = _HttpsServer(("127.0.0.1", 0), _SmsHandler)
        server.context = context
        super().__init__(server)
        self.url = f"https://127.0.0.1:{self.port}/send"


def closed_port():
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
