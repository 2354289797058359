# SPDX-License-Identifier: Apache-2.0
"""Brokers that share a store on Redis: beside the bare script, and one, two and four of them over one, two and three masters.

On a machine of a few processors the rates of many processes say little; what one decision costs in each of them says what more
machines would give. So every row has the CPU time of a decision in the brokers and in the servers, and the page on scaling
reckons with these."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import broker as broker_module
import peers
import report
from process import CLIENT_CPU, SERVER_CPU, Server, _cpus, free_port, unix_ready

TARGET = 0.6
PATTERNS = ((64, 1), (8, 8), (1, 64))
GRID = ((1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (4, 2), (1, 3), (2, 3), (4, 3))  # brokers, masters
SLOTS = 16384
WARM_ACCOUNTS = 5000   # all of them remembered after
WARM_S = 4             # of the same load
BUS = 10000            # above its port, a server of a cluster talks to the others
READY_S = 30
DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0",
           "--maxmemory-policy", "noeviction")
COLUMNS = ("what", "answers/s", "p50 µs", "p99 µs", "broker µs", "server µs", "beside", "ratio", "target", "reached")


class Node(Server):
    """A real redis-server of its own directory."""

    def __init__(self, scratch, name, cpu, *options, port=0):
        self.path = os.path.join(scratch, name + ".sock")
        directory = os.path.join(scratch, name)
        os.mkdir(directory)
        super().__init__(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", self.path, "--dir", directory,
                          *DURABLE, *options], os.path.join(scratch, name + ".log"), cpu=cpu)
        self.port = port
        self.wait_for(unix_ready(self.path), "listen")

    def call(self, *words):
        """One command; its reply in one piece, errors raised."""
        message = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(x).encode() for x in words))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.sendall(message)
            reply = s.makefile("rb")
            line = reply.readline().strip().decode()
            if line.startswith("-"):
                raise RuntimeError(f"redis answered {line} to {words[0]}")
            return reply.read(int(line[1:])).decode() if line.startswith("$") else line[1:]

    def memory(self):
        return int(re.search(r"used_memory:(\d+)", self.call("INFO", "memory"))[1])

    def file_bytes(self):
        return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(self.path[:-5]) for name in names)


def _warm(options):
    return min(options.accounts, WARM_ACCOUNTS)


def cluster_port():
    while (port := free_port()) > 65535 - BUS:
        pass
    return port


class Fleet:
    """Masters, each with so many replicas; one without replicas is a single server on a Unix socket."""

    def __init__(self, stack, scratch, masters, replicas, cpu):
        self.nodes = []
        self.single = masters == 1 and replicas == 0
        for i in range(masters * (1 + replicas)):
            more = () if self.single else ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
            self.nodes.append(stack.enter_context(Node(scratch, f"r{i}", cpu, *more, port=0 if self.single else cluster_port())))
        if not self.single:
            self._join(masters)
        self.replicas = replicas

    def _join(self, masters):
        ids = [node.call("CLUSTER", "MYID") for node in self.nodes]
        for i, node in enumerate(self.nodes[:masters]):
            node.call("CLUSTER", "ADDSLOTSRANGE", i * SLOTS // masters, (i + 1) * SLOTS // masters - 1)
            node.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            node.call("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        for i, node in enumerate(self.nodes):
            node.wait_for(lambda n=node: all(x in n.call("CLUSTER", "NODES") for x in ids), "know the others")
            if i >= masters:
                node.call("CLUSTER", "REPLICATE", ids[i % masters])
        for node in self.nodes:
            node.wait_for(lambda n=node: "cluster_state:ok" in n.call("CLUSTER", "INFO"), "see the cluster whole")
        for node in self.nodes[masters:]:
            node.wait_for(lambda n=node: "master_link_status:up" in n.call("INFO", "replication"), "follow its master")

    def store(self):
        if self.single:
            where = f'server "unix:{self.nodes[0].path}"'
        else:
            where = "cluster " + " ".join(f'"127.0.0.1:{node.port}"' for node in self.nodes)
            where += f" replicas {self.replicas}" + ("" if self.replicas else " weaker no-replicas")
        return 'store redis {{ ' + where + ' name "{name}" timeout 5s lease 5s }}'

    def cpu_s(self):
        return sum(node.cpu_s() for node in self.nodes)

    def memory(self):
        return sum(node.memory() for node in self.nodes) // (1 + self.replicas)


class Shared:
    def __init__(self, options, scratch):
        self.options, self.scratch, self.rows = options, scratch, []
        self.programs = os.path.join(options.build, "tests", "bench")
        self.seconds = 1 if options.quick else 3
        self.rounds = 1 if options.quick else 3
        self.tls = os.path.join(scratch, "tls")
        peers.certificates(self.tls)
        self.provider = broker_module.start_provider(options.source, scratch)

    def program(self, name):
        return os.path.join(self.programs, name)

    def clients(self, commands, seconds=None):
        """Runs them at once on the client's CPU; the sum of their rates, the worst of their latencies."""
        running = [subprocess.Popen([str(word) for word in argv] + ["--seconds", str(seconds or self.seconds), "--warmup", "0.3"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CPU})) for argv in commands]
        results = []
        for process in running:
            out, said = process.communicate()
            if process.returncode != 0:
                raise RuntimeError(said.strip()[-500:])
            results.append(json.loads(out))
        return {"rate": sum(r["rate"] for r in results), "p50_us": max(r["p50_us"] for r in results),
                "p99_us": max(r["p99_us"] for r in results), "answers": sum(r["all_answers"] for r in results)}

    def timed(self, commands, brokers, servers, warm=True):
        """The best of the rounds, with what one answer took of the processors' time."""
        best = {}
        if warm:
            self.clients(commands, WARM_S)
        for _ in range(self.rounds):
            before = [sum(x.cpu_s() for x in group) for group in (brokers, servers)]
            found = self.clients(commands)
            after = [sum(x.cpu_s() for x in group) for group in (brokers, servers)]
            for name, a, b in zip(("broker_us", "server_us"), before, after):
                found[name] = (b - a) / found["answers"] * 1e6
            if found["rate"] > best.get("rate", 0):
                best = found
        return best

    def bare(self, people, pattern):
        """The script of a good payment team on one server with the same durability."""
        with peers.Redis(self.scratch, os.path.dirname(os.path.abspath(__file__))) as redis:
            redis.populate(_warm(self.options), people)
            redis.appendfsync("always")
            argv = [self.program("redis_load"), redis.path, "--sha", redis.decide, "--people", people, "--connections", pattern[0],
                    "--depth", pattern[1]]
            found = self.timed([argv], [], [redis])
        shutil.rmtree(os.path.join(self.scratch, "redis"))
        return found

    @contextlib.contextmanager
    def brokers(self, n, masters, replicas=0, accounts=None, server_cpu=SERVER_CPU, broker_cpu=CLIENT_CPU):
        """So many brokers over so many masters, with the accounts made; a scratch directory of their own."""
        scratch = tempfile.mkdtemp(dir=self.scratch, prefix="f")
        with contextlib.ExitStack() as stack:
            fleet = Fleet(stack, scratch, masters, replicas, server_cpu)
            empty, begun = fleet.memory(), time.monotonic()
            found, key = [], None
            for i in range(n):
                b = stack.enter_context(broker_module.Broker(self.options.build, scratch, self.tls, self.provider,
                                                             accounts or self.options.accounts, name=f"b{i}", store=fleet.store(),
                                                             key=key, cpu=broker_cpu))
                if key is None:
                    key, loaded = os.path.join(b.directory, "state", "master.key"), time.monotonic() - begun
                found.append(b)
            fleet.bytes_an_account = (fleet.memory() - empty) / (accounts or self.options.accounts)
            fleet.loaded_s = loaded
            yield fleet, found
        shutil.rmtree(scratch)

    def spread(self, n, masters, replicas=0):
        """The same, with all processors for all."""
        return self.brokers(n, masters, replicas, _warm(self.options), _cpus, _cpus)

    def parts(self, people, n):
        """A file of people for each of n clients, so that they meet at no account."""
        with open(people, encoding="ascii") as f:
            lines = f.readlines()
        paths = []
        for i in range(n):
            paths.append(os.path.join(self.scratch, f"people-{i}"))
            with open(paths[-1], "w", encoding="ascii") as f:
                f.writelines(lines[i::n])
        return paths

    def spends(self, brokers, pattern, apart=True):
        people = self.parts(brokers[0].people, len(brokers) if apart else 1)
        return [[self.program("load"), "authorize", b.path, "--people", people[i % len(people)], "--connections", pattern[0],
                 "--depth", pattern[1]] for i, b in enumerate(brokers)]

    def add(self, what, found, beside=None, other=None, target=None):
        row = {"what": what, **found}
        if other:
            row.update(beside=beside, ratio=found["rate"] / other["rate"])
            if target:
                row.update(target=f"≥ {target:.2f}", reached=row["ratio"] >= target)
        self.rows.append(row)
        say("  " + "  ".join(cell for cell in cells(row) if cell))

    # What is measured

    def beside_the_script(self):
        """Redis on one CPU; the client, and the broker with it, on the other."""
        people = os.path.join(self.scratch, "people")
        for pattern in PATTERNS:
            name = f"{pattern[0]}×{pattern[1]}"
            say(f"one server, {name}")
            bare = self.bare(people, pattern)
            self.add(f"bare script, one server, {name}", bare)
            with self.brokers(1, 1, accounts=_warm(self.options)) as (fleet, brokers):
                self.add(f"1 broker, one server, {name}", self.timed(self.spends(brokers, pattern), brokers, fleet.nodes),
                         "bare script", bare, TARGET)

    def grid(self):
        """All of the processors for all; each broker has its own accounts."""
        for n, masters in GRID:
            say(f"brokers {n}, masters {masters}")
            with self.spread(n, masters) as (fleet, brokers):
                self.add(f"brokers {n}, masters {masters}", self.timed(self.spends(brokers, (4, 16)), brokers, fleet.nodes))

    def apart(self):
        say("two brokers at the same accounts; a replica that must have heard")
        # As many accounts as there are: of few, some would be asked for at both at once more often than three times in a row.
        with self.brokers(2, 1, accounts=self.options.accounts, server_cpu=_cpus, broker_cpu=_cpus) as (fleet, brokers):
            self.add("brokers 2, masters 1, the same accounts",
                     self.timed(self.spends(brokers, (4, 16), apart=False), brokers, fleet.nodes))
        with self.spread(1, 1, replicas=1) as (fleet, brokers):
            self.add("brokers 1, masters 1, replicas 1", self.timed(self.spends(brokers, (4, 16)), brokers, fleet.nodes))

    def hot(self):
        say("one account that all ask for")
        with self.brokers(1, 1, accounts=1, server_cpu=_cpus, broker_cpu=_cpus) as (fleet, brokers):
            self.add("brokers 1, masters 1, one account", self.timed(self.spends(brokers, (64, 1)), brokers, fleet.nodes))

    def memory(self):
        accounts = self.options.accounts if self.options.quick else 1000000
        say(f"{accounts:,} accounts")
        with self.brokers(1, 1, accounts=accounts) as (fleet, brokers):
            on_disk = fleet.nodes[0].file_bytes() / accounts
            before, log = fleet.memory(), self.timed(self.spends(brokers, (8, 8)), brokers, fleet.nodes, warm=False)
            self.add(f"1 broker, {accounts:,} accounts, all of them cold", log)
            event = (fleet.memory() - before) / max(1, log["answers"] * self.rounds)
            self.rows.append({"what": f"{accounts:,} accounts loaded", "text": f"{accounts / fleet.loaded_s:,.0f}/s", "load_s": fleet.loaded_s,
                              "bytes_an_account": fleet.bytes_an_account, "file_bytes_an_account": on_disk,
                              "bytes_a_payment": event})
            self.facts = (f"{accounts:,} accounts took {fleet.loaded_s:.0f} s to load ({accounts / fleet.loaded_s:,.0f}/s), each "
                          f"{fleet.bytes_an_account:,.0f} bytes of the server's memory and {on_disk:,.0f} of its append-only file; "
                          f"a payment adds about {event:,.0f} bytes of memory.")


def say(what):
    print(f"  {what} ...", file=sys.stderr, flush=True)


def cells(row):
    def number(name, digits=0):
        return "" if row.get(name) is None else f"{row[name]:,.{digits}f}"

    reached = row.get("reached")
    return (row["what"], row.get("text") or number("rate"), number("p50_us"), number("p99_us"), number("broker_us", 1),
            number("server_us", 1), row.get("beside") or "", number("ratio", 2), row.get("target") or "",
            "" if reached is None else "yes" if reached else "no")


def print_rows(rows):
    lines = [COLUMNS] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for line in lines:
        print("  ".join(c.ljust(w) if i in (0, 6) else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip())


def measure(options):
    """options: build, source, quick, json, accounts, scratch."""
    scratch = tempfile.mkdtemp(prefix="cs-bench-", dir=options.scratch)
    shared = None
    try:
        facts, before = report.machine(scratch), report.stolen()
        shared = Shared(options, scratch)
        shared.beside_the_script()
        shared.grid()
        shared.apart()
        shared.hot()
        shared.memory()
    finally:
        if shared is not None:
            shared.provider.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    taken, passed = (after - since for after, since in zip(report.stolen(), before))
    facts["stolen_percent"] = round(100 * taken / max(passed, 1), 1)
    print("\nSpends covered by an allowance, by brokers that share a store on Redis (appendfsync always, and each broker's journal):")
    print_rows(shared.rows)
    print(f"\n{shared.facts}\nRates of the grid are of {facts['cpus']} processors for all processes together.")
    print(report.machine_line(facts))
    report.write_json(options.json, facts, shared.rows)
    return 0 if all(row.get("reached", True) for row in shared.rows) else 1
