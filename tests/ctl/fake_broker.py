# SPDX-License-Identifier: Apache-2.0
"""A daemon that answers by script, on a Unix socket, written from the Varlink specification alone.

It holds every call against the interface files: what they do not have is a problem, which the test ends with.
"""
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading

SOURCE = pathlib.Path(os.environ.get("CS_SRCDIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests/unit"))

import check_varlink  # noqa: E402

INTERFACES = {interface.name: interface for interface in check_varlink.read_all(SOURCE).values()}


def call_problems(method, parameters):
    interface, _, name = method.rpartition(".")
    if name not in getattr(INTERFACES.get(interface), "methods", {}):
        return [f"{method} is no method"]
    takes = INTERFACES[interface].methods[name][0]
    return list(check_varlink.check_value(INTERFACES[interface], takes, parameters, "parameters"))


class FakeBroker:
    """answers: method -> a reply (dict: parameters), a list of replies (streamed), an Error, or bytes sent as they are.

    A callable is given the call's parameters and returns one of these. Calls are kept in `calls`.
    """

    def __init__(self, answers):
        self.answers = answers
        self.calls = []
        self.problems = []
        self.dir = tempfile.TemporaryDirectory(prefix="cs-")
        self.path = os.path.join(self.dir.name, "admin")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        self.dir.cleanup()
        assert self.problems == []

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.converse(connection)
                except (BrokenPipeError, ConnectionResetError):
                    pass

    def converse(self, connection):
        data = b""
        while True:
            while b"\0" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            message, data = data.split(b"\0", 1)
            call = json.loads(message)
            self.calls.append((call["method"], call.get("parameters", {}), call.get("more", False)))
            self.problems += call_problems(call["method"], call.get("parameters", {}))
            answer = self.answers[call["method"]]
            if callable(answer):
                answer = answer(call.get("parameters", {}))
            if not self.send(connection, answer):
                return

    @staticmethod
    def send(connection, answer):
        """False: the connection is to be closed."""
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return False
        if isinstance(answer, Error):
            replies = [{"error": answer.name, "parameters": answer.parameters}]
        elif isinstance(answer, list):
            replies = [{"parameters": p, "continues": True} for p in answer]
            if not isinstance(answer, Endless):
                replies[-1].pop("continues")
        else:
            replies = [{"parameters": answer}]
        for reply in replies:
            connection.sendall(json.dumps(reply).encode() + b"\0")
        return not isinstance(answer, Endless)


class Error:
    def __init__(self, name, **parameters):
        self.name = name if name.startswith("org.varlink") else "org.countersign." + name
        self.parameters = parameters


class Endless(list):
    """A stream that breaks: its last reply says that more will come, and then the connection is closed."""
