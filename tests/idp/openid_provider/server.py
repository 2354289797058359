# SPDX-License-Identifier: Apache-2.0
"""HTTPS/1.1 with keep-alive: a thread a connection, a bound on each thing a peer could pile up.

The handshake happens in the connection's thread, so a silent peer holds up itself only.
"""

import dataclasses
import http.server
import json
import select
import socket
import ssl
import threading
import time
import urllib.parse

CONNECTIONS_MAX = 256  # threads; one more is closed at once
HANGS_MAX = 128  # below CONNECTIONS_MAX, so that hanging requests never shut out the control API
HANG_MAX_S = 120  # longer than any deadline that a caller should have
IDLE_S = 30  # handshake, head of a request, or the pause between two
BODY_MAX = 64 * 1024  # forms and control calls are far smaller
WATCH_S = 0.05  # how soon a hanging request notices that its peer left
STOP_S = 5  # for connection threads to end


class BadRequest(Exception):
    """The request cannot be understood; the message goes to the client."""


def parse_fields(text):
    """A query or form as {name: [value, ...]}."""
    return urllib.parse.parse_qs(text, keep_blank_values=True, max_num_fields=64)


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: object
    body: bytes
    peer: str
    hang: object  # hang(released, limit_s): True when the event came in time

    def media_type(self):
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def form(self):
        if self.media_type() != "application/x-www-form-urlencoded":
            raise BadRequest("send the form as application/x-www-form-urlencoded")
        try:
            return parse_fields(self.body.decode("ascii"))
        except ValueError:
            raise BadRequest("the form cannot be read")

    def json(self):
        if self.media_type() != "application/json":
            raise BadRequest("send JSON with Content-Type: application/json")
        try:
            value = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the body is not JSON: {error}")
        if not isinstance(value, dict):
            raise BadRequest("the body must be a JSON object")
        return value


@dataclasses.dataclass
class Response:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict = dataclasses.field(default_factory=dict)
    # How the body goes out: "whole"; "cut" declares more than it sends; "drip" sends a byte at
    # a time; "nothing" closes without a reply.
    delivery: str = "whole"
    pause_s: float = 0.0  # between the bytes of a drip


def json_response(value, status=200, **headers):
    body = json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, body, headers=named)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "openid-provider"
    sys_version = ""
    timeout = IDLE_S
    wbufsize = 64 * 1024  # head and body leave in one write
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Silent: the control API's log tells what was asked."""

    def handle_expect_100(self):
        proceed = super().handle_expect_100()
        self.wfile.flush()  # the client waits for this before it sends the body
        return proceed

    def do_GET(self):
        self._serve()

    do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _serve(self):
        try:
            request = self._read()
        except BadRequest as error:
            self.close_connection = True  # what follows in the stream cannot be trusted
            self._send(json_response({"error": "invalid_request",
                                      "error_description": str(error)}, 400))
            return
        self._send(self.server.app(request))

    def _read(self):
        if "Transfer-Encoding" in self.headers:
            raise BadRequest("send the body with Content-Length, not chunked")
        lengths = self.headers.get_all("Content-Length", ["0"])
        if len(lengths) != 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise BadRequest("send one Content-Length, a number")
        if len(lengths[0]) > 9 or int(lengths[0]) > BODY_MAX:
            raise BadRequest(f"the body is longer than {BODY_MAX} bytes")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            raise BadRequest("the body ended early")
        path, _, query = self.path.partition("?")
        try:
            fields = parse_fields(query)
        except ValueError:
            raise BadRequest("the query has too many fields")
        return Request(self.command, path, fields, self.headers, body,
                       self.client_address[0], self._hang)

    def _hang(self, released, limit_s):
        """Wait for the event, holding no lock. False: too many hang already, the time is over,
        or the peer or the server went away."""
        if not self.server.hangs.acquire(blocking=False):
            return False
        try:
            deadline = time.monotonic() + min(limit_s, HANG_MAX_S)
            while not self.server.stopping.is_set():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                if released.wait(min(WATCH_S, left_s)):
                    return True
                if select.select([self.connection], [], [], 0)[0]:
                    return False  # the peer closed, or sent what it should not
            return False
        finally:
            self.server.hangs.release()

    def _send(self, response):
        if response.delivery == "nothing":
            self.close_connection = True
            return
        if response.delivery != "whole":
            self.close_connection = True
        declared = len(response.body) + (1 if response.delivery == "cut" else 0)
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(declared))
        self.send_header("Cache-Control", "no-store")
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(response)

    def _send_body(self, response):
        if response.delivery != "drip":
            self.wfile.write(response.body)
            return
        deadline = time.monotonic() + HANG_MAX_S
        for byte in response.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.stopping.wait(response.pause_s) or time.monotonic() > deadline:
                return


class Server:
    """Listens, accepts in a thread of its own, and hands each request to `app`."""

    def __init__(self, host, port, context, app):
        self.app = app
        self.hangs = threading.BoundedSemaphore(HANGS_MAX)
        self.stopping = threading.Event()
        self._context = context
        self._lock = threading.Lock()
        self._connections = {}  # socket: thread
        self._listener = socket.create_server((host, port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="idp-accept", daemon=True)

    def start(self):
        self._acceptor.start()

    def stop(self):
        """Stop accepting, cut every connection, and wait for the threads."""
        self.stopping.set()
        _shut(self._listener)  # wakes the accept
        self._acceptor.join(STOP_S)
        self._listener.close()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now:
            _shut(connection)
        deadline = time.monotonic() + STOP_S
        for thread in open_now.values():
            thread.join(max(0, deadline - time.monotonic()))

    def open_connections(self):
        with self._lock:
            return len(self._connections)

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, peer = self._listener.accept()
            except OSError:
                self.stopping.wait(0.01)  # out of descriptors, or stopping
                continue
            self._take(connection, peer)

    def _take(self, connection, peer):
        thread = threading.Thread(target=self._run, args=(connection, peer),
                                  name="idp-connection", daemon=True)
        with self._lock:
            if len(self._connections) >= CONNECTIONS_MAX or self.stopping.is_set():
                connection.close()
                return
            self._connections[connection] = thread
            thread.start()

    def _run(self, connection, peer):
        secure = None
        try:
            connection.settimeout(IDLE_S)
            # A duplicate: wrapping takes the descriptor away from the socket that stop() knows.
            secure = self._context.wrap_socket(connection.dup(), server_side=True)
            _Handler(secure, peer, self)
        except (OSError, ValueError):
            pass  # the peer left, timed out or does not trust us; nothing is owed to it
        finally:
            _goodbye(secure)
            with self._lock:
                del self._connections[connection]
            connection.close()


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # not connected any more


def _goodbye(secure):
    """Send close_notify without waiting for the peer's, then close."""
    if secure is None:
        return
    try:
        secure.settimeout(0)
        secure.unwrap().close()
    except (OSError, ValueError, ssl.SSLError):
        pass
    secure.close()
