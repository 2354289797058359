# SPDX-License-Identifier: Apache-2.0
"""The provider as one object: its state, its routes, and how an honest answer may be spoilt."""

import os
import sys
import traceback

from . import bad_answers, bad_tokens, control, signals, state, tls
from .dialect import Dialect
from .keys import KeyRing
from .server import BadRequest, Server, json_response
from .switches import Switches


class Provider:
    def __init__(self, directory, name="sandbox", host="127.0.0.1", port=0, clients=(),
                 certificate=None, dialect=None):
        """`certificate` is (cert, key, ca) paths; without it they are made in `directory`."""
        if not state.USER_PATTERN.fullmatch(name):
            raise state.Refused(f"name {name!r}: use letters, digits, dots, dashes, underscores")
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.name = name
        self.dialect = dialect or Dialect()
        self.ring = KeyRing(os.path.join(directory, "idp-signing-keys.json"))
        self.switches = Switches(bad_tokens.TABLE + bad_answers.TABLE)
        self.clock = state.Clock()
        self.clients = state.Clients(clients)
        self.people = state.People(name)
        self.grants = state.Grants(self.clock)
        self.log = state.RequestLog()
        self.stream = signals.Stream()
        cert, key, self.ca = certificate or tls.ensure_certificates(directory, name)
        self.server = Server(host, port, tls.server_context(cert, key), self._serve_safely)
        self.port = self.server.port
        self.issuer = f"https://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.server.start()

    def describe(self):
        return {"issuer": self.issuer, "port": self.port, "ca": self.ca,
                "control": f"{self.issuer}/control"}

    def stop(self):
        self.log.close()
        self.switches.release()
        self.server.stop()

    def reset(self):
        for part in (self.switches, self.clients, self.people, self.grants, self.log, self.stream):
            part.reset()
        self.clock.offset_s = 0

    def answer(self, endpoint, request, members):
        """A JSON answer of an endpoint, through the switches for what it says and how."""
        document = bad_answers.Document(members, self.ring)
        for switch, argument in self.switches.use(endpoint):
            switch.apply(document, argument)
        return self.deliver(endpoint, request, json_response(document.members))

    def deliver(self, endpoint, request, response):
        exchanged = bad_answers.Exchange(request, response, self.switches.released)
        for switch, argument in self.switches.use(f"{endpoint}_reply"):
            switch.apply(exchanged, argument)
        return exchanged.response

    def _serve_safely(self, request):
        try:
            return self._serve(request)
        except Exception:  # a mistake of the provider's own: tell the tester, not the client
            traceback.print_exc(file=sys.stderr)
            return json_response({"error": "server_error"}, 500)

    def _serve(self, request):
        if request.path == "/control" or request.path.startswith("/control/"):
            return control.serve(self, request)
        entry = self.log.arrived(request.method, request.path)
        response = self._route(request)
        self.log.answered(entry, response.status)
        return response

    def _route(self, request):
        method = "GET" if request.method == "HEAD" else request.method
        function = signals.ROUTES.get((method, request.path)) or self.dialect.route(method, request.path)
        if function is None:
            return json_response({"error": "not_found"}, 404)
        try:
            return function(self, request)
        except BadRequest as error:
            return json_response({"error": "invalid_request", "error_description": str(error)},
                                 400)
