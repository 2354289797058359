# SPDX-License-Identifier: Apache-2.0
"""Starts countersign-worker as the parent does, and speaks org.countersign.Worker to it."""

import json
import fcntl
import os
import select
import signal
import socket
import threading
import time

BUILD = os.environ.get("CS_BUILDDIR", os.getcwd())
PLUGINS = os.path.join(BUILD, "plugins", ".libs")
HIGH_FD = 100  # above what the worker's own numbers are
READY_S = 20


class Refused(Exception):
    """What the worker answered instead of success: the error's last word, and its reason."""

    def __init__(self, error, parameters):
        super().__init__(f"{error} {parameters}")
        self.error = error.rsplit(".", 1)[-1]
        self.reason = parameters.get("reason")


class Gone(Exception):
    """The server ended the connection without an answer."""


class Connection:
    def __init__(self, path, timeout_s=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_s)
        self.socket.connect(path)
        self.rest = b""

    def raw(self, data):
        try:
            self.socket.sendall(data)
        except BrokenPipeError:
            raise Gone
        while b"\0" not in self.rest:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                raise Gone
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, /, **parameters):
        message = {"method": "org.countersign.Worker." + method, "parameters": parameters}
        reply = self.raw(json.dumps(message).encode() + b"\0")
        if "error" in reply:
            raise Refused(reply["error"], reply.get("parameters", {}))
        return reply["parameters"]

    def close(self):
        self.socket.close()


class Worker:
    """One worker; settings are lines of its block, kind is "provider" or "factor"."""

    def __init__(self, directory, plugin, kind, settings="", servers=1, deadline="5s", sealed=False):
        self.sealed = sealed  # as the parent gives a plugin whose pin or signature it checked
        self.directory = str(directory)
        self.path = os.path.join(self.directory, "w.sock")
        self.text, self.heard = b"", threading.Condition()
        self.config = f"""generation 1
realm "test"
run-directory "{self.directory}"
state-directory "{self.directory}"
store mem
listen service "{self.directory}/s"
listen admin "{self.directory}/a"
{kind} "it" {{
    plugin "{plugin}"
    servers {servers}
    deadline {deadline}
    {"cooling-off 0" if kind in ("provider", "factor") else ""}
    {settings}
}}
"""
        self.plugin = plugin
        self._start()

    def _start(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(128)
        memory = os.memfd_create("config")
        os.write(memory, self.config.encode())
        ready, ready_child = os.pipe()
        self.control, control_child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = os.path.isfile(self.plugin)
        plugin = os.open(self.plugin if program else os.path.join(PLUGINS, self.plugin + ".so"), os.O_RDONLY)
        if self.sealed:
            copy = os.memfd_create("plugin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.write(copy, os.read(plugin, os.fstat(plugin).st_size))
            os.fchmod(copy, 0o555)
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS,
                        fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
            os.close(plugin)
            plugin = copy
        self.told, log = os.pipe()
        os.set_blocking(self.told, False)
        wanted = {2: log, 3: memory, 4: ready_child, 5: control_child.fileno(),
                  6: listener.fileno(), 7: plugin}
        high = {to: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD) for to, fd in wanted.items()}
        program = os.path.join(BUILD, "countersign-worker")
        self.pid = os.posix_spawn(
            program,
            [program, "--name", "it", "--listen", "worker=6", "--plugin", "7", "-d"],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in high.items()])
        for fd in [*high.values(), memory, ready_child, plugin, log]:
            os.close(fd)
        threading.Thread(target=self._listen, daemon=True).start()
        control_child.close()
        listener.close()
        self.ready = bool(select.select([ready], [], [], READY_S)[0]) and os.read(ready, 1) == b"\n"
        os.close(ready)

    def connect(self, **rest):
        return Connection(self.path, **rest)

    def _take(self):
        """What was said so far, with the lock held. False: nobody is left to say more."""
        while True:
            try:
                part = os.read(self.told, 65536)
            except BlockingIOError:
                return True
            if not part:
                return False
            self.text += part
            self.heard.notify_all()

    def _listen(self):
        """Somebody must always listen, or who says much waits."""
        going_on = True
        while going_on:
            select.select([self.told], [], [])
            with self.heard:
                going_on = self._take()

    def log(self):
        with self.heard:
            self._take()
            return self.text.decode(errors="replace")

    def wait_for_log(self, text):
        """Until a line says it: an event, not a guess at how long something takes."""
        with self.heard:
            assert self.heard.wait_for(lambda: text.encode() in self.text, READY_S), f"{text!r} never came"

    def wait(self):
        """The exit status; negative: the signal."""
        if self.pid is None:
            return self.status
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def stop(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()
        self.control.close()


def now_ms():
    return int(time.time() * 1000)
