# SPDX-License-Identifier: Apache-2.0
"""Processes of a benchmark: started pinned to one CPU, measured, and stopped by their own pid."""
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from waiting import until  # noqa: E402

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_cpus = sorted(os.sched_getaffinity(0))
SERVER_CPU = _cpus[0]
CLIENT_CPU = _cpus[1] if len(_cpus) > 1 else _cpus[0]


def _pin(cpu):
    return lambda: os.sched_setaffinity(0, {cpu} if isinstance(cpu, int) else cpu)


class Server:
    """A process that serves; `with` stops it whatever happens. Its children are found for CPU time and memory."""

    def __init__(self, argv, log, cpu=SERVER_CPU, **kwargs):
        self.name = os.path.basename(argv[0])
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            preexec_fn=_pin(cpu), **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def wait_for(self, ready, what, seconds=15):
        """Asks `ready` until it says yes; a server that ended, or is late, raises with the end of its log."""
        def ready_or_ended():
            if ready():
                return True
            assert self.process.poll() is None, "it ended"
            return False
        try:
            until(ready_or_ended, what, seconds)
        except AssertionError:
            ended = self.process.poll()
            self.stop()
            why = "did not " + what if ended is None else f"ended with status {ended}"
            with open(self.log, errors="replace") as log:
                raise RuntimeError(f"{self.name} {why}:\n{log.read()[-2000:]}") from None
        return self

    def pids(self):
        """The process and all below it."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as f:
                    todo += [int(child) for child in f.read().split()]
            except FileNotFoundError:
                found.pop()
        return found

    def cpu_s(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) * TICK_S
        return total

    def pss_bytes(self):
        """{name and pid: PSS}: the share of memory of each process."""
        sizes = {}
        for pid in self.pids():
            with open(f"/proc/{pid}/comm") as f:
                name = f"{f.read().strip()}[{pid}]"
            with open(f"/proc/{pid}/smaps_rollup") as f:
                sizes[name] = next(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        return sizes


def unix_ready(path):
    def ready():
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(path)
                return True
            except OSError:
                return False
    return ready


def tcp_ready(port):
    def ready():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    return ready


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def client(argv, servers=()):
    """Runs a client to its end; its line of JSON, with the CPU time that the servers took for an answer."""
    before = sum(server.cpu_s() for server in servers)
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          preexec_fn=_pin(CLIENT_CPU if servers else SERVER_CPU))
    after = sum(server.cpu_s() for server in servers)
    if done.returncode != 0:
        raise RuntimeError(f"{os.path.basename(str(argv[0]))} failed: {done.stderr.strip()[-500:]}")
    result = json.loads(done.stdout)
    if servers and result.get("all_answers"):
        result["server_cpu_us"] = round((after - before) / result["all_answers"] * 1e6, 2)
    return result
