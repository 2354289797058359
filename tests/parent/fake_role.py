# SPDX-License-Identifier: Apache-2.0
"""Stands in for engine, gateway and worker in the tests of the parent.

Says what it does on the FIFO or socket named by ROLE_TALK, one line an event, and does what the test put
into ROLE_PLAN/<role>, a file of words, read anew at each start:
  fail     exits with status 3 before it is ready
  mute     never says that it is ready
  late     says why it is not ready, and is ready with SIGUSR2
  stubborn ignores SIGTERM
  refuse   (engine) answers CONFIG with ERROR
  die      (engine) ends when it gets CONFIG
SIGUSR1 makes it ask for a reload.
"""
import hashlib
import os
import select
import signal
import socket
import struct
import sys

MESSAGE = 24 + 1024  # struct control_message: type, index, count, generation, text
RELOAD, CONFIG, OK, ERROR, RELOADED, REFUSED, PROCESS = range(1, 8)


def pack(kind, generation=0, text=b""):
    return struct.pack("=IIIxxxxQ1024s", kind, 0, 0, generation, text)


def unpack(data):
    kind, index, count, generation, text = struct.unpack("=IIIxxxxQ1024s", data)
    return kind, index, count, generation, text


def is_open(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False


def main():
    args = sys.argv[1:]
    what = os.path.basename(sys.argv[0]).split("-")[1]
    role = what + (":" + args[args.index("--name") + 1] if "--name" in args else "")
    talk = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    talk.connect(os.environ["ROLE_TALK"])

    def say(event, *more):
        talk.send(" ".join([role, str(os.getpid()), event, *map(str, more)]).encode())

    try:
        with open(os.path.join(os.environ["ROLE_PLAN"], role), encoding="ascii") as f:
            plan = f.read().split()
    except FileNotFoundError:
        plan = []
    text = os.pread(3, 1 << 22, 0).decode()
    generation = int(text.split("\n", 1)[0].split()[1])
    fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) != talk.fileno() and is_open(int(fd)))
    control = socket.socket(fileno=5)
    signal.signal(signal.SIGUSR1, lambda *_: control.send(pack(RELOAD)))
    say("start", generation, "args=" + ",".join(args), "fds=" + ",".join(map(str, fds)))
    if "--plugin" in args:
        with open(f"/proc/self/fd/{args[args.index('--plugin') + 1]}", "rb") as f:
            say("plugin", hashlib.sha256(f.read()).hexdigest())
    if "fail" in plan:
        sys.exit(3)
    stop_r, stop_w = os.pipe()

    def on_term(*_):
        say("term")
        if "stubborn" not in plan:
            os.write(stop_w, b"x")

    signal.signal(signal.SIGTERM, on_term)

    def ready(*_):
        os.write(4, b"\n")
        os.close(4)

    if "late" in plan:
        signal.signal(signal.SIGUSR2, ready)
        say("late")
        os.write(4, b"waits for broker-2\x1b\n")
    elif "mute" not in plan:
        ready()
    table = {}
    while True:
        ready = select.select([control, stop_r], [], [])[0]
        if stop_r in ready:
            say("end")
            sys.exit(0)
        data, passed, _, _ = socket.recv_fds(control, MESSAGE, 1)
        if not data:
            say("orphan")
            sys.exit(0)
        kind, index, count, generation, text = unpack(data)
        if kind == CONFIG:
            canonical = os.pread(passed[0], 1 << 22, 0).decode()
            os.close(passed[0])
            sockets = [line.split('"')[1] for line in canonical.split("\n") if line.startswith("socket ")]
            say("config", generation, ",".join(os.path.basename(s) for s in sockets))
            if "die" in plan:
                sys.exit(4)
            control.send(pack(ERROR, generation, b"no such rule") if "refuse" in plan else pack(OK, generation))
        elif kind == PROCESS:
            name, pid, state, restarts, gen = struct.unpack("=40siIIxxxxQ", text[:64])
            table[index] = (name.rstrip(b"\0").decode(), state)
            if index == count - 1:
                say("table", " ".join(sorted(f"{n}={s}" for n, s in list(table.values())[:count])))
                table.clear()
        elif kind in (RELOADED, REFUSED):
            say("answer", kind, generation, text.rstrip(b"\0").decode())


main()
