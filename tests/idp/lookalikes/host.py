# SPDX-License-Identifier: Apache-2.0
"""What the three have in common: a server, a clock, a list of what was asked, and ways to misbehave."""

import json
import secrets
import sys
import threading
import time
import traceback
import urllib.parse

from openid_provider.server import BadRequest, Response, Server, json_response

LOG_MAX = 4096  # requests that are remembered
CODE_S = 300  # all three: a code lives five minutes


class Refusal(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, response):
        super().__init__(response)
        self.response = response


class Code:
    """An authorization code: whose, of which app, and whether it was used."""

    def __init__(self, person, app, now, **rest):
        self.person, self.app, self.made, self.used = person, app, now, False
        self.__dict__.update(rest)


class Host:
    """One vendor. `routes` maps (method, path) to a method of the subclass; `switches` says what it can do wrong."""

    routes = {}
    # Of every vendor: how an answer is spoilt, wherever it comes from.
    delivery = {
        "http_500": lambda r: Response(500, b"oops", "text/html"),
        "http_403": lambda r: Response(403, b"", "text/html"),
        "garbage": lambda r: Response(200, b"\x00\xff{]", r.content_type),
        "blank": lambda r: Response(200, b"", r.content_type),
        "not_object": lambda r: Response(200, b'["' + b"a" * 20 + b'"]', r.content_type),
        "huge": lambda r: Response(200, b'{"a":"' + b"a" * 1048576 + b'"}', r.content_type),
        "deep": lambda r: Response(200, b'{"a":' * 500 + b"1" + b"}" * 500, r.content_type),
        "cut": lambda r: Response(r.status, r.body, r.content_type, delivery="cut"),
        "closed": lambda r: Response(r.status, b"", r.content_type, delivery="nothing"),
        "redirect": lambda r: Response(302, b"", "text/html", {"Location": "https://127.0.0.1:1/elsewhere"}),
    }
    # Answers of these paths are spoilt by `delivery`.
    spoilt = ()
    # What else a vendor's methods look at by wrong().
    switches = frozenset()

    def __init__(self, context):
        self.offset_s = 0
        self.requests = []
        self._wrong = {}
        self._lock = threading.Lock()
        self.server = Server("127.0.0.1", 0, context, self._serve)
        self.url = f"https://127.0.0.1:{self.server.port}"
        self.server.start()

    def stop(self):
        self.server.stop()

    def now(self):
        return int(time.time()) + self.offset_s

    def misbehave(self, **switches):
        """What to do wrong from now on; nothing: all is well again."""
        unknown = set(switches) - set(self.delivery) - set(self.switches)
        assert not unknown, unknown
        self._wrong = switches

    def wrong(self, name):
        return self._wrong.get(name, False)

    def asked(self, path):
        """The parameters of the requests to one path, oldest first."""
        with self._lock:
            return [fields for _, at, fields, _ in self.requests if at == path]

    def headers(self, path):
        with self._lock:
            return [headers for _, at, _, headers in self.requests if at == path]

    def _fields(self, request):
        """Query and form together, as these gateways take them; a member twice is an error."""
        got = dict(request.query)
        if request.body:
            for name, values in request.form().items():
                got[name] = got.get(name, []) + values
        doubled = [name for name, values in got.items() if len(values) > 1]
        if doubled:
            raise BadRequest(f"{doubled[0]} stands more than once")
        return {name: values[0] for name, values in got.items()}

    def _serve(self, request):
        try:
            fields = self._fields(request)
            with self._lock:
                self.requests = self.requests[-LOG_MAX:] + [
                    (request.method, request.path, fields, dict(request.headers.items()))]
            function = self.routes.get((request.method, request.path))
            if function is None:
                return Response(404, b"not found", "text/html")
            response = getattr(self, function)(fields, request)
        except Refusal as refusal:
            response = refusal.response
        except BadRequest as error:
            response = json_response({"error": "invalid_request", "error_description": str(error)}, 400)
        except Exception:  # a mistake of the imitation's own
            traceback.print_exc(file=sys.stderr)
            return Response(500, b"the imitation is broken", "text/html")
        if request.path in self.spoilt:
            for name in self._wrong:
                if name in self.delivery:
                    response = self.delivery[name](response)
        return response


def token(prefix="", size=24):
    return prefix + secrets.token_urlsafe(size)


def redirect(uri, **fields):
    """Back to where the request came from; absent fields are left out."""
    query = urllib.parse.urlencode({name: value for name, value in fields.items() if value is not None})
    return Response(302, b"", "text/html", {"Location": uri + ("&" if "?" in uri else "?") + query})


def page(text, status=200):
    return Response(status, f"<!doctype html><title>{text}</title><p>{text}".encode(), "text/html; charset=utf-8")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
