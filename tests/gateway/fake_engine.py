# SPDX-License-Identifier: Apache-2.0
"""A double of the engine: answers Varlink calls on gateway.sock from a table, and remembers what was asked.

The real engine decides; this one says what a test tells it to, late or not at all where asked, so that a test of the
gateway is about the gateway.
"""
import json
import os
import queue
import select
import socket
import threading


class Drop(Exception):
    """Raised by an answer: the engine closes this connection instead."""


class Silence(Exception):
    """Raised by an answer: the engine never answers this call."""


class Error(Exception):
    """Raised by an answer: a Varlink error with its parameters."""

    def __init__(self, name, **parameters):
        super().__init__(name)
        self.name, self.parameters = name, parameters


class FakeEngine:
    """answers: method -> function(parameters, forwarded) -> parameters of the reply. For forwarded calls the key is
    the inner method, and the reply is wrapped as Internal.Forward wraps it."""

    def __init__(self, path):
        self.path = path
        self.answers = {}
        self.watches = {}  # method -> queue of states, or what makes one a watch; None closes the connection
        self.watch_ended = threading.Event()  # the gateway closed the connection of a watch
        self.silent_ended = threading.Event()  # a connection on which a call was not answered
        self.calls = []
        self.lock = threading.Lock()
        self.connections = []
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(128)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        """As if it had been killed, with its socket file left behind."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections, self.connections = self.connections, []
        for c in connections:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            c.close()

    def asked(self, method):
        with self.lock:
            return [c for c in self.calls if c["method"] == method]

    def _accept(self, listener):
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(c)
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        have, silent = b"", False
        while True:
            try:
                got = c.recv(65536)
            except OSError:
                return
            if not got:
                if silent:
                    self.silent_ended.set()
                return
            have += got
            while b"\0" in have:
                text, have = have.split(b"\0", 1)
                call = json.loads(text)
                states = self.watches.get(call["parameters"].get("method")) if call.get("more") else None
                if states is not None:
                    if not self._watch(c, call["parameters"], states):
                        return
                    continue
                try:
                    c.sendall(json.dumps(self._answer(json.loads(text)), ensure_ascii=False).encode() + b"\0")
                except Silence:
                    silent = True
                except (Drop, OSError):
                    c.close()
                    return

    def _watch(self, c, forwarded, states):
        """Tells each state; the last is one that is not "open". False: the connection is closed."""
        with self.lock:
            self.calls.append({"method": forwarded["method"], "parameters": forwarded["parameters"], "forwarded": forwarded})
        states = states() if callable(states) else states
        while True:
            try:
                state = states.get(timeout=0.02)
            except queue.Empty:
                if select.select([c], [], [], 0)[0] and not c.recv(1, socket.MSG_PEEK):
                    self.watch_ended.set()
                    c.close()
                    return False
                continue
            if state is None:
                c.close()
                return False
            reply = {"parameters": {"reply": {"state": state}}, "continues": state == "open"}
            c.sendall(json.dumps(reply).encode() + b"\0")
            if state != "open":
                return True

    def _answer(self, call):
        parameters = call.get("parameters", {})
        if call["method"] != "org.countersign.Internal.Forward":
            return self._run(call["method"], parameters, None)
        inner = self._run(parameters["method"], parameters["parameters"], parameters)
        reply = {"reply": inner["parameters"]}
        if "error" in inner:
            reply["error"] = inner["error"]
        return {"parameters": reply}

    def _run(self, method, parameters, forwarded):
        with self.lock:
            self.calls.append({"method": method, "parameters": parameters, "forwarded": forwarded})
        answer = self.answers.get(method)
        try:
            if answer is None:
                raise Error("org.countersign.NotFound", what="method")
            return {"parameters": answer(parameters)}
        except Error as e:
            return {"error": e.name, "parameters": e.parameters}
