#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""A risk plugin as a program: how unusual is the hour, and how large is the amount?

It needs nothing but Python. Make it executable, name it in a block, and allow its process:

    risk "hours" {
        plugin "/usr/local/lib/countersign/hours.py"
        cage { processes yes }
        set night-begins 23
        set night-ends 6
    }
"""
import datetime
import json
import socket

DESCRIPTION = {
    "name": "hours", "version": "1.0", "kinds": ["risk"],
    "help": "Gives a payment at night a higher score.",
    "keys": [
        {"name": "night-begins", "type": "int", "min": 0, "max": 23, "default": "23", "help": "Hour of the day, UTC."},
        {"name": "night-ends", "type": "int", "min": 0, "max": 23, "default": "6", "help": "Hour of the day, UTC."},
        {"name": "large", "type": "int", "min": 1, "max": 1000000, "default": "1000",
         "help": "An amount in whole units from which on a payment is large."},
    ],
}


class No(Exception):
    """An answer that is an error: Refused or Failed of org.countersign.Plugin, and its reason."""


class Plugin:
    """The connection: messages are JSON, ended by a NUL."""

    def __init__(self):
        self.socket, self.rest, self.settings = socket.socket(fileno=3), b"", {}

    def read(self):
        while b"\0" not in self.rest:
            part = self.socket.recv(65536)
            if not part:
                raise SystemExit(0)  # the worker is gone
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def write(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def host(self, method, /, **parameters):
        """Calls the host while a call is under way: host("Log", level="info", text="...")."""
        self.write({"method": "org.countersign.Host." + method, "parameters": parameters})
        reply = self.read()
        if "error" in reply:
            raise No("Failed", reply["parameters"].get("reason", "internal"))
        return reply["parameters"]

    def serve(self):
        while True:
            call = self.read()
            operation = getattr(self, call["method"].rsplit(".", 1)[-1], None)
            try:
                if operation is None:
                    raise No("Failed", "invalid")
                self.write({"parameters": operation(**call.get("parameters", {}))})
            except No as no:
                error, reason = no.args
                self.write({"error": "org.countersign.Plugin." + error, "parameters": {"reason": reason}})

    # --- the calls; names and members are those of org.countersign.Plugin ---

    def Describe(self):
        return DESCRIPTION

    def SelfTest(self):
        if self.score(2, 5, 5000) <= self.score(12, 5, 5000):
            raise No("Failed", "internal")
        return {}

    def Configure(self, settings, secrets):
        self.settings = {setting["name"]: setting["values"] for setting in settings}
        return {}

    def Assess(self, request, now_ms, amount, digits, **others):
        hour = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.timezone.utc).hour
        return {"request": request, "score": self.score(hour, digits, amount), "reason": "night" if self.night(hour) else ""}

    # --- what it thinks ---

    def number(self, name, default):
        return int(self.settings.get(name, [default])[0])

    def night(self, hour):
        begins, ends = self.number("night-begins", 23), self.number("night-ends", 6)
        return hour >= begins or hour < ends if begins > ends else begins <= hour < ends

    def score(self, hour, digits, amount):
        large = amount >= self.number("large", 1000) * 10 ** digits
        return (60 if self.night(hour) else 0) + (30 if large else 0)


if __name__ == "__main__":
    Plugin().serve()
