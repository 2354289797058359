# SPDX-License-Identifier: Apache-2.0
"""The table of ways to misbehave, and which of them are on.

A switch is one entry: a name, the part of the provider that it bends, its help, what it does,
and perhaps an argument with a default. The tables themselves are in bad_tokens and bad_answers.
"""

import dataclasses
import threading
from typing import Callable, Union

from .state import Refused


@dataclasses.dataclass(frozen=True)
class Switch:
    name: str
    part: str
    help: str
    apply: Callable
    default: Union[None, int, str] = None  # None: the switch takes no argument
    most: int = 0  # the largest argument, for a number

    def describe(self):
        entry = {"name": self.name, "part": self.part, "help": self.help}
        if self.default is not None:
            entry["argument"] = self.default
        return entry

    def argument(self, value):
        """The argument that a value in a control call stands for."""
        if value is True:
            return self.default
        if self.default is None:
            raise Refused(f"{self.name}: takes true or false, no argument")
        if isinstance(value, bool) or not isinstance(value, type(self.default)):
            raise Refused(f"{self.name}: takes true, false or a value like {self.default!r}")
        if isinstance(value, int) and not 0 <= value <= self.most:
            raise Refused(f"{self.name}: takes a number from 0 to {self.most}")
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            raise Refused(f"{self.name}: takes printable ASCII")
        return value


def markdown(table):
    """The table for README.md."""
    lines = ["| switch | bends | what happens | argument |", "|---|---|---|---|"]
    for switch in table:
        argument = "" if switch.default is None else f"`{switch.default}`"
        lines.append(f"| `{switch.name}` | {switch.part} | {switch.help} | {argument} |")
    return "\n".join(lines) + "\n"


class Switches:
    """Which switches are on. `released` is an event that ends the hangs begun so far."""

    def __init__(self, table):
        self.table = {switch.name: switch for switch in table}
        if len(self.table) != len(table):
            raise ValueError("two switches share a name")
        self._lock = threading.Lock()
        self._on = {}  # name: [argument, times left or None]
        self.released = threading.Event()

    def find(self, name, part=None):
        switch = self.table.get(name)
        if switch is None or part not in (None, switch.part):
            kind = "switch" if part is None else f"{part} switch"
            raise Refused(f"no {kind} {name!r}; GET /control lists them")
        return switch

    def change(self, settings, times=None):
        """Turn switches on or off, all or none; `times` turns them off after that many uses."""
        wanted = {}
        for name, value in settings.items():
            switch = self.find(name)
            wanted[name] = None if value is False else [switch.argument(value), times]
        with self._lock:
            for name, entry in wanted.items():
                self._on.pop(name, None)
                if entry is not None:
                    self._on[name] = entry
        if None in wanted.values():
            self.release()

    def reset(self):
        with self._lock:
            self._on = {}
        self.release()

    def release(self):
        """Let hanging requests go on; later ones wait on a new event."""
        with self._lock:
            held, self.released = self.released, threading.Event()
        held.set()

    def states(self):
        with self._lock:
            return {name: True if entry[0] is None else entry[0]
                    for name, entry in self._on.items()}

    def use(self, part):
        """The (switch, argument) pairs on for this part, in table order; counts as one use."""
        with self._lock:
            found = [(switch, self._on[name][0]) for name, switch in self.table.items()
                     if switch.part == part and name in self._on]
            for switch, _ in found:
                self._count_down(switch.name)
        return found

    def _count_down(self, name):
        entry = self._on[name]
        if entry[1] is not None:
            entry[1] -= 1
            if entry[1] <= 0:
                del self._on[name]
