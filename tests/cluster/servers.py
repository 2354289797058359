# SPDX-License-Identifier: Apache-2.0
"""
Real redis-servers for tests: one, three under Sentinel, or a cluster of three masters with a replica each, and what can happen to them.

    with Cluster() as fleet:                 # ready when this returns
        fleet.addresses                      # what a broker is told
        fleet.master_of(slot).kill()         # as kill -9 does it
        fleet.promoted(...)                  # bounded waits for what servers say, never for time

Every fleet has a network of its own inside of 127.0.0.0/8: server N listens on ...N, port 6379, and calls from there, so that links (see
links.py) know who calls. Nothing but the directory of the fleet is written to.
"""
import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile

from links import Links
from waiting import until

PORT, BUS_PORT, SENTINEL_PORT = 6379, 16379, 26379
SLOTS = 16384
NODE_TIMEOUT_MS = 1500
COMMAND_S = 10
GUARD = 250            # of a network, held so that two tests never have the same
AHEAD = 200            # commands in one write


def missing():
    """Why no server can be started here, or None."""
    return None if shutil.which("redis-server") else "no redis-server: install redis-server"


class RedisError(Exception):
    """What a server answered instead."""


class Redis:
    """One connection, RESP2. call("SET", "k", "v") gives str, int, list or None; bytes with raw=True."""

    def __init__(self, address, timeout_s=COMMAND_S):
        self._socket = socket.create_connection(address, timeout_s)
        self._file = self._socket.makefile("rb")

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def receive(self, raw=False):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if kind == b"*":
            return None if rest == b"-1" else [self._part(raw) for _ in range(int(rest))]
        if rest == b"-1":
            return None
        data = self._file.read(int(rest) + 2)[:-2]
        return data if raw else data.decode(errors="replace")

    def _part(self, raw):
        try:
            return self.receive(raw)
        except RedisError as error:
            return error

    def call(self, *words, raw=False):
        self.send(*words)
        return self.receive(raw)

    def many(self, commands):
        """Answers of many commands, errors among them, a few hundred a write."""
        commands, answers = list(commands), []
        for at in range(0, len(commands), AHEAD):
            part = commands[at:at + AHEAD]
            for words in part:
                self.send(*words)
            answers += [self._part(True) for _ in part]
        return answers

    def close(self):
        with contextlib.suppress(OSError):
            self._file.close()
            self._socket.close()


class Server:
    """One redis-server process; it can be killed and started again on its files."""

    def __init__(self, directory, ip, options, port=PORT, sentinel=False, environment=None):
        self.dir, self.ip, self.port, self.options, self.sentinel = directory, ip, port, dict(options), sentinel
        self.environment = environment or {}
        self.process = None
        self.still = False
        os.makedirs(directory, exist_ok=True)

    address = property(lambda self: f"{self.ip}:{self.port}")
    pid = property(lambda self: self.process.pid)

    def start(self, wait=True):
        conf = os.path.join(self.dir, "redis.conf")
        # A sentinel rewrites its file: what it learned stays.
        if not (self.sentinel and os.path.exists(conf)):
            base = {"bind": self.ip, "port": self.port, "dir": self.dir, "protected-mode": "no", "daemonize": "no",
                    "logfile": os.path.join(self.dir, "log")}
            with open(conf, "w", encoding="ascii") as f:
                for name, value in {**base, **self.options}.items():
                    for each in value if isinstance(value, list) else [value]:
                        f.write(f"{name} {each}\n")
        command = ["redis-server", conf] + (["--sentinel"] if self.sentinel else [])
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, **self.environment})
        self.still = False
        if wait:
            self.wait()
        return self

    def wait(self):
        """Until it answers and has read its files."""
        until(self._answers, f"{self.ip} to answer:\n{self.log()[-2000:]}")

    def _answers(self):
        assert self.process.poll() is None, f"redis-server ended:\n{self.log()[-2000:]}"
        try:
            return self.call("PING") == "PONG"
        except (OSError, EOFError, RedisError):
            return False

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()
        return ""

    @contextlib.contextmanager
    def connection(self, timeout_s=COMMAND_S):
        redis = Redis((self.ip, self.port), timeout_s)
        try:
            yield redis
        finally:
            redis.close()

    def call(self, *words, raw=False, timeout_s=COMMAND_S):
        with self.connection(timeout_s) as redis:
            return redis.call(*words, raw=raw)

    def info(self, section="everything"):
        lines = self.call("INFO", section).split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def role(self):
        try:
            return self.info("replication")["role"]
        except (OSError, EOFError, RedisError):
            return None

    def cluster_id(self):
        return self.call("CLUSTER", "MYID")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.still = False

    def stand_still(self):
        """Neither dead nor alive."""
        self.process.send_signal(signal.SIGSTOP)
        self.still = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.still = False

    def end(self):
        """In order, as an admin would."""
        if self.running():
            if self.still:
                self.go_on()
            self.process.terminate()
            try:
                self.process.wait(COMMAND_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def stop_replication(self):
        """A replica that hears no more of its master, while both are well for everybody else."""
        with self.connection() as redis:
            redis.call("CONFIG", "SET", "masteruser", "nobody", "masterauth", "nothing")
            redis.call("CLIENT", "KILL", "TYPE", "master")
        until(lambda: self.info("replication").get("master_link_status") == "down", "a replica to lose its master")

    def resume_replication(self):
        self.call("CONFIG", "SET", "masteruser", "", "masterauth", "")


DURABLE = {"appendonly": "yes", "appendfsync": "always", "save": '""', "maxmemory-policy": "noeviction",
           "repl-diskless-sync": "yes", "repl-diskless-sync-delay": 0, "repl-ping-replica-period": 1, "repl-timeout": 5,
           "auto-aof-rewrite-percentage": 0}


class Fleet:
    """What all have: a network, a directory, servers."""

    mode = None

    def __init__(self, directory=None, options=None, environment=None):
        self._own = directory is None
        self.dir = directory or tempfile.mkdtemp(prefix="cs-redis.")
        self.options = {**DURABLE, **(options or {})}
        self.environment = environment or {}      # server number -> variables
        self.servers, self._clients = [], {}
        self._take_network()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _take_network(self):
        for _ in range(100):
            self.network = f"127.{random.randrange(16, 240)}.{random.randrange(1, 255)}"
            self._guard = socket.socket()
            try:
                self._guard.bind((f"{self.network}.{GUARD}", PORT))
                return
            except OSError:
                self._guard.close()
        raise RuntimeError("no free network in 127.0.0.0/8")

    def server(self, n, options=None, **rest):
        ip = f"{self.network}.{n}"
        made = Server(os.path.join(self.dir, f"{n}"), ip, {**self.options, "bind-source-addr": ip, **(options or {})},
                      environment=self.environment.get(n), **rest)
        self.servers.append(made)
        return made

    @property
    def addresses(self):
        return [s.address for s in self.servers if not s.sentinel]

    def stop(self):
        for server in self.servers:
            if server.running():
                server.kill()
        self._guard.close()
        if self._own:
            shutil.rmtree(self.dir, ignore_errors=True)

    def data_servers(self):
        return [s for s in self.servers if not s.sentinel]

    def masters(self):
        return [s for s in self.data_servers() if s.running() and not s.still and s.role() == "master"]

    def set(self, name, value):
        """A setting of all that run."""
        for server in self.data_servers():
            if server.running():
                server.call("CONFIG", "SET", name, value)

    def flush(self):
        """FLUSHALL, where somebody meant another server."""
        for server in self.masters():
            server.call("FLUSHALL")

    def kill_all(self):
        for server in self.servers:
            server.kill()

    def start_all(self):
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait()
        self.ready()

    def ready(self):
        """Until it serves as a whole."""


class Single(Fleet):
    """One server, and a Unix socket; replicas=1: with one that copies it."""

    mode = "single"

    def __init__(self, replicas=0, **rest):
        self.replicas = replicas
        super().__init__(**rest)

    def _start(self):
        self.socket = os.path.join(self.dir, "redis.sock")
        self.master = self.server(1, {"unixsocket": self.socket, "unixsocketperm": 700}).start()
        for n in range(self.replicas):
            self.server(2 + n, {"replicaof": f"{self.master.ip} {PORT}"}).start()
        self.ready()

    def ready(self):
        until(lambda: sum("state=online" in v for k, v in self.master.info("replication").items() if k.startswith("slave"))
              == self.replicas, "replicas that are in step")

    @property
    def addresses(self):
        return [self.master.address]


class Sentinel(Fleet):
    """A master, two replicas, and three sentinels that agree by two."""

    mode, name = "sentinel", "countersign"
    DOWN_AFTER_MS = 1000

    def _start(self):
        first = self.server(1).start()
        for n in (2, 3):
            self.server(n, {"replicaof": f"{first.ip} {PORT}"}).start()
        # The sentinels write down what they learn: directory, log and address are all that they share with servers.
        self.sentinels = []
        for n in (11, 12, 13):
            ip = f"{self.network}.{n}"
            options = {"sentinel": [f"monitor {self.name} {first.ip} {PORT} 2", f"announce-ip {ip}", f"down-after-milliseconds {self.name} {self.DOWN_AFTER_MS}",
                                    f"failover-timeout {self.name} 3000", f"parallel-syncs {self.name} 2"]}
            sentinel = Server(os.path.join(self.dir, str(n)), ip, options, port=SENTINEL_PORT, sentinel=True)
            self.servers.append(sentinel)
            self.sentinels.append(sentinel.start())
        self.ready()

    def ready(self):
        until(lambda: all(self._knows(s) for s in self.sentinels), "the sentinels to know each other and the servers")

    def _knows(self, sentinel):
        with contextlib.suppress(OSError, EOFError, RedisError):
            flat = sentinel.call("SENTINEL", "MASTER", self.name)
            state = dict(zip(flat[::2], flat[1::2]))
            return (int(state["num-slaves"]), int(state["num-other-sentinels"]), state["flags"]) == (2, 2, "master")
        return False

    @property
    def addresses(self):
        return [s.address for s in self.sentinels]

    @property
    def master(self):
        answer = next(self._ask_master(s) for s in self.sentinels if s.running() and not s.still)
        return next(s for s in self.data_servers() if s.ip == answer[0])

    def _ask_master(self, sentinel):
        return sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)

    def promoted(self, instead_of):
        """Until another is master, in the eyes of the sentinels and in its own."""
        return until(lambda: self.master if self.master is not instead_of and self.master.role() == "master" else None,
                     "the sentinels to promote another")


class Cluster(Fleet):
    """
    Three masters (servers 1 to 3) with a replica each (4 to 6). It is written down as a cluster before it starts: nobody has to meet.
    links=True: every link between two servers, and between brokers and a server, can be cut (.links, see links.py).
    """

    mode = "cluster"

    def __init__(self, masters=3, replicas=1, links=False, node_timeout_ms=NODE_TIMEOUT_MS, **rest):
        self.masters_n, self.replicas_n, self.node_timeout_ms = masters, replicas, node_timeout_ms
        self._linked, self.links = links, None
        super().__init__(**rest)

    def _where(self, n):
        return Links.announce(self.network, n) if self._linked else (f"{self.network}.{n}", PORT, BUS_PORT)

    @property
    def addresses(self):
        return ["{}:{}".format(*self._where(n)[:2]) for n in range(1, len(self.servers) + 1)]

    def stop(self):
        super().stop()
        if self.links:
            self.links.stop()

    def _start(self):
        total = self.masters_n * (1 + self.replicas_n)
        ids = {n: f"{n:02x}" * 20 for n in range(1, total + 1)}
        for n in ids:
            ip, port, bus = self._where(n)
            self.server(n, {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-port": BUS_PORT,
                            "cluster-node-timeout": self.node_timeout_ms, "cluster-replica-validity-factor": 0,
                            "cluster-announce-ip": ip, "cluster-announce-port": port, "cluster-announce-bus-port": bus,
                            "cluster-migration-barrier": 99, "cluster-allow-replica-migration": "no"})
            self._write_nodes(n, ids)
        if self._linked:
            self.links = Links.of_cluster(self.network, total)
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait()
        self.ready()

    def cut(self, a, b, only="both"):
        """a, b: servers, or BROKERS."""
        self.links.cut(*(each if isinstance(each, str) else str(self.servers.index(each) + 1) for each in (a, b)), only)

    def heal(self):
        """Undoes what a test did: links, stopped, dead and lonely servers, settings."""
        if self.links:
            self.links.mend()
        for server in self.servers:
            if not server.running():
                server.start(wait=False)
            elif server.still:
                server.go_on()
        for server in self.servers:
            server.wait()
            server.resume_replication()
            server.call("CONFIG", "SET", "maxmemory", "0")
        self.ready()

    def _write_nodes(self, me, ids):
        each, lines = SLOTS // self.masters_n, []
        for n, node in ids.items():
            ip, port, bus = self._where(n)
            flags = "myself," if n == me else ""
            where = f"{node} {ip}:{port}@{bus}"
            if n <= self.masters_n:
                last = SLOTS - 1 if n == self.masters_n else n * each - 1
                lines.append(f"{where} {flags}master - 0 0 {n} connected {(n - 1) * each}-{last}")
            else:
                of = (n - self.masters_n - 1) % self.masters_n + 1
                lines.append(f"{where} {flags}slave {ids[of]} 0 0 {of} connected")
        lines.append(f"vars currentEpoch {self.masters_n} lastVoteEpoch 0")
        with open(os.path.join(self.servers[me - 1].dir, "nodes.conf"), "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")

    def ready(self):
        """Every server that runs says that all slots are served, and every replica is in step."""
        until(lambda: all(self._well(s) for s in self.servers if s.running() and not s.still), "the cluster to be well")

    def _well(self, server):
        with contextlib.suppress(OSError, EOFError, RedisError):
            state = server.call("CLUSTER", "INFO")
            if "cluster_state:ok" not in state or "cluster_slots_ok:16384" not in state:
                return False
            info = server.info("replication")
            return info["role"] == "master" or info["master_link_status"] == "up"
        return False

    def slots(self, ask=None):
        """[(first, last, server)], as one that runs tells it."""
        ask = ask or next(s for s in self.servers if s.running() and not s.still)
        by = {self._where(n)[:2]: s for n, s in enumerate(self.servers, 1)}
        return [(first, last, by[(master[0], master[1])]) for first, last, master, *_ in ask.call("CLUSTER", "SLOTS")]

    def master_of(self, slot):
        return next(server for first, last, server in self.slots() if first <= slot <= last)

    def replicas_of(self, master):
        mine = master.cluster_id()
        return [s for s in self.servers if s is not master and s.running() and not s.still and self._follows(s, mine)]

    def _follows(self, server, master_id):
        me = next(line for line in server.call("CLUSTER", "NODES").splitlines() if "myself" in line).split()
        return me[3] == master_id

    def promoted(self, instead_of, replica):
        """Until that replica serves what its master served, and everybody who runs knows."""
        until(lambda: replica.role() == "master", "a replica to be promoted")
        until(lambda: all(instead_of not in [server for _, _, server in self.slots(s)]
                          for s in self.servers if s.running() and not s.still), "everybody to know the new master")

    def hand_over(self, replica):
        """The orderly change: nothing is lost."""
        replica.call("CLUSTER", "FAILOVER")
        until(lambda: replica.role() == "master", "a replica to take over in order")

    def take_over(self, replica):
        """The disorderly one: it takes the slots with what it has."""
        replica.call("CLUSTER", "FAILOVER", "TAKEOVER")
        until(lambda: replica.role() == "master", "a replica to take over")

    def reshard(self, slots, to, between=None):
        """Moves slots to another master, key by key, while everything is served. between(slot) is called in the middle of each."""
        for slot in slots:
            source = self.master_of(slot) if between else self._owner_now(slot)
            if source is not to:
                self._move(slot, source, to, between)

    def _owner_now(self, slot):
        # One question for many slots: the map changes by nobody else while this runs.
        if slot not in self._clients:
            self._clients = {each: server for first, last, server in self.slots() for each in range(first, last + 1)}
        return self._clients[slot]

    def _move(self, slot, source, to, between):
        with source.connection() as out, to.connection() as into:
            into.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.cluster_id())
            out.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.cluster_id())
            if between:
                between(slot)
            while keys := out.call("CLUSTER", "GETKEYSINSLOT", slot, 100, raw=True):
                out.call("MIGRATE", to.ip, PORT, "", 0, COMMAND_S * 1000, "KEYS", *keys)
            new = to.cluster_id()
            into.call("CLUSTER", "SETSLOT", slot, "NODE", new)
            out.call("CLUSTER", "SETSLOT", slot, "NODE", new)
        self._clients.pop(slot, None)
        for server in self.masters():
            if server not in (source, to):
                server.call("CLUSTER", "SETSLOT", slot, "NODE", new)

    def rolling_restart(self):
        """Every server once, masters after they handed over, as one does for a new version."""
        for server in list(self.servers):
            if server.role() == "master" and (replicas := self.replicas_of(server)):
                self.hand_over(replicas[0])
                until(lambda: server.role() == "slave", "the old master to follow")
            server.end()
            server.start()
            self.ready()


def fleets():
    """The kinds, by the word that CS_STORE has for them."""
    return {"redis": Single, "sentinel": Sentinel, "cluster": Cluster}


_numbers = itertools.count(1)


def fresh_prefix():
    """A prefix of keys that nobody had: one fleet serves many tests."""
    return f"t{os.getpid()}-{next(_numbers)}"
