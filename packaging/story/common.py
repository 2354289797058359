# SPDX-License-Identifier: Apache-2.0
"""What everything here needs: trouble told to people, ports, processes, small files."""
import ctypes
import json
import os
import signal
import socket

import authority

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PR_SET_PDEATHSIG = 1


class Trouble(Exception):
    """What went wrong, for the person at the terminal, and how to mend it."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    """Ports that nobody uses, different from each other."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def process_start(pid):
    """When a process began, in ticks: tells it from a later one with the same id. None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[19]) if fields[0] != "Z" else None
    except (OSError, IndexError, ValueError):
        return None


def read_json(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def write_json(path, value):
    authority.private_file(path + ".new", json.dumps(value, indent=2).encode() + b"\n")
    os.replace(path + ".new", path)
