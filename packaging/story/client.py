#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How the story talks: Varlink on a Unix socket, HTTPS with a client certificate, and an authenticator's codes.

Nothing of the broker is used here: a frame is JSON and a NUL byte, a code is RFC 6238. As a program it makes one call:
client.py SOCKET METHOD [PARAMETERS]
"""
import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import struct
import sys
import time
import urllib.parse

TIMEOUT_S = 20


class Refusal(Exception):
    """The broker answered with an error, which is no outcome: its last word, and its parameters."""

    def __init__(self, error, parameters):
        super().__init__(f"{error} {json.dumps(parameters)}")
        self.error = error.rsplit(".", 1)[-1]
        self.parameters = parameters


class Lost(Exception):
    """The connection ended before the answer: what was asked may have happened."""


class Varlink:
    def __init__(self, path):
        self.path, self.rest, self.socket = path, b"", None

    def connect(self):
        self.close()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(self.path)
        self.rest = b""

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def call(self, method, **parameters):
        """method: without org.countersign. Members that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        message = json.dumps({"method": "org.countersign." + method, "parameters": given}).encode() + b"\0"
        try:
            if self.socket is None:
                self.connect()
            self.socket.sendall(message)
            while b"\0" not in self.rest:
                part = self.socket.recv(65536)
                if not part:
                    raise Lost("the broker closed the connection")
                self.rest += part
        except (OSError, Lost) as error:
            self.close()
            raise Lost(f"{method}: {error}") from None
        reply, self.rest = self.rest.split(b"\0", 1)
        reply = json.loads(reply)
        if "error" in reply:
            raise Refusal(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {})


class Https:
    """One host over HTTPS; with certificate and key the peer knows which service we are."""

    def __init__(self, base, ca, certificate=None, key=None):
        parts = urllib.parse.urlsplit(base)
        self.host, self.port = parts.hostname, parts.port
        self.context = ssl.create_default_context(cafile=ca)
        if certificate:
            self.context.load_cert_chain(certificate, key)

    def request(self, method, path, body=None, headers=None):
        """Status, headers, body as bytes."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=self.context)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, method, path, value=None):
        body = None if value is None else json.dumps(value)
        status, _, data = self.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        return status, json.loads(data) if data else {}


class Authenticator:
    """What an app makes of an otpauth:// URI. A code is good once, so each one asked for is of a later step."""

    def __init__(self, uri):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(uri).query))
        secret = query["secret"].upper()
        self.key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        self.period = int(query.get("period", 30))
        self.digits = int(query.get("digits", 6))
        self.hash = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}[
            query.get("algorithm", "SHA1")]
        self.last = -1

    def at(self, step):
        mac = hmac.new(self.key, struct.pack(">Q", step), self.hash).digest()
        offset = mac[-1] & 15
        number = struct.unpack(">I", mac[offset:offset + 4])[0] & 0x7FFFFFFF
        return str(number % 10 ** self.digits).zfill(self.digits)

    def code(self, late=1, early=2):
        """
        A code that was not used: the oldest of `late` steps ago, or the next one, up to `early` steps ahead of time;
        then it waits. So a few prompts can be answered in a row.
        """
        now = int(time.time() // self.period)
        step = max(now - late, self.last + 1)
        if step > now + early:
            time.sleep((step - early) * self.period - time.time() + 0.05)
        self.last = step
        return self.at(step)

    def wrong(self):
        """A code that is no good at any step near to now."""
        now = int(time.time() // self.period)
        good = {self.at(step) for step in range(now - 4, now + 5)}
        return next(code for code in (str(n).zfill(self.digits) for n in range(len(good) + 1)) if code not in good)


def main():
    if len(sys.argv) not in (3, 4):
        print('usage: client.py SOCKET METHOD [PARAMETERS], e.g. client.py /run/countersign/socket Lookup.ByAccount '
              '\'{"account": "lin"}\'', file=sys.stderr)
        return 2
    try:
        parameters = json.loads(sys.argv[3]) if len(sys.argv) == 4 else {}
        reply = Varlink(sys.argv[1]).call(sys.argv[2].removeprefix("org.countersign."), **parameters)
    except (Refusal, Lost, ValueError) as error:
        print(f"client.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(reply, indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
