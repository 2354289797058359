# SPDX-License-Identifier: Apache-2.0
"""The redis-servers of a demonstration: one on a Unix socket, or a cluster on loopback; made, started, stopped."""
import os
import secrets
import select
import shutil
import subprocess
import time

import authority
from common import TOP, Trouble, die_with_parent, free_ports, read_json, write_json

EXAMPLE = os.path.join(TOP, "packaging", "examples", "redis", "redis.conf")
# Debian has the server as redis-server in the package of that name, which also starts one, and under this name in redis-tools.
PROGRAM = shutil.which("redis-server") or shutil.which("redis-check-rdb")
USERS = ("broker", "replica", "admin")
SLOTS = 16384
START_S, STOP_S = 20, 10
NODE_TIMEOUT_MS = 1500  # quick, to be watched; an installation has 5 to 15 s


def password(directory, user):
    with open(os.path.join(directory, user + ".password")) as file:
        return file.read().strip()


class Server:
    """One redis-server. at: the words that redis-cli takes for where it is."""

    def __init__(self, fleet, name, at):
        self.fleet, self.name, self.at = fleet, name, at
        self.directory = os.path.join(fleet.directory, name)
        self.log = os.path.join(self.directory, "redis.log")
        self.pid_file = os.path.join(self.directory, "redis.pid")
        self.process = None

    def configure(self, lines):
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        lines = [f'dir "{self.directory}"', f'logfile "{self.log}"', f'pidfile "{self.pid_file}"', "daemonize no", *lines]
        authority.private_file(os.path.join(self.directory, "redis.conf"),
                               (self.fleet.example() + "\n".join(lines) + "\n").encode())

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", os.path.join(self.directory, "redis.conf")], executable=PROGRAM, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)

    def ask(self, *words):
        """What it answers, as redis-cli prints it; "" where it does not."""
        done = subprocess.run(["redis-cli", *self.at, "--no-auth-warning", "--user", "admin", *words],
                              env={**os.environ, "REDISCLI_AUTH": password(self.fleet.directory, "admin")},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S)
        return done.stdout if done.returncode == 0 else ""

    def well(self):
        if self.process.poll() is not None:
            raise Trouble(f"redis-server ended by itself; the end of {self.log}:\n{end_of(self.log)}")
        if not self.ask("PING").startswith("PONG"):
            return False
        return "master_link_status:down" not in self.ask("INFO", "replication") and (
            not self.fleet.cluster or "cluster_state:ok" in self.ask("CLUSTER", "INFO"))

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def end_of(path):
    try:
        with open(path, errors="replace") as file:
            return "".join(file.readlines()[-8:])
    except OSError:
        return "(there is none)\n"


class Fleet:
    """masters None: one server. Otherwise a cluster of them, each with a replica."""

    def __init__(self, directory, sockets, masters=None):
        self.directory, self.cluster = directory, masters is not None
        self.servers = []
        if PROGRAM is None or shutil.which("redis-cli") is None:
            raise Trouble("there is no redis-server here; install it with: apt-get install redis-tools")
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for user in USERS:
            if not os.path.exists(os.path.join(directory, user + ".password")):
                authority.private_file(os.path.join(directory, user + ".password"), secrets.token_hex(16).encode() + b"\n")
        if self.cluster:
            self._make_cluster(masters)
        else:
            self._make_one(sockets)

    def example(self):
        """The settings that are shipped as an example, with the passwords in."""
        with open(EXAMPLE) as file:
            text = file.read()
        for user in USERS:
            text = text.replace(user.upper() + "-PASSWORD", password(self.directory, user))
        return text

    def _make_one(self, sockets):
        socket = os.path.join(sockets, "redis.sock")
        server = Server(self, "redis", ["-s", socket])
        server.configure(["port 0", f'unixsocket "{socket}"', "unixsocketperm 700"])
        self.servers = [server]
        self.words = f'server "unix:{socket}"'
        self.told = socket

    def _make_cluster(self, masters):
        """It is written down as a cluster before it starts, so that nobody has to meet."""
        path = os.path.join(self.directory, "cluster.json")
        nodes = read_json(path)
        if nodes is None:
            ports = free_ports(4 * masters)
            nodes = [{"id": secrets.token_hex(20), "port": port, "bus": bus}
                     for port, bus in zip(ports[::2], ports[1::2])]
            write_json(path, nodes)
        for number, node in enumerate(nodes, 1):
            server = Server(self, f"redis-{number}", ["-p", str(node["port"])])
            server.configure(["bind 127.0.0.1", f"port {node['port']}", f"cluster-port {node['bus']}", "cluster-enabled yes",
                              f"cluster-node-timeout {NODE_TIMEOUT_MS}", "cluster-replica-validity-factor 0",
                              "cluster-allow-replica-migration no", "cluster-config-file nodes.conf"])
            self._write_nodes(server, nodes, number - 1, masters)
            self.servers.append(server)
        self.words = "cluster " + " ".join(f'"127.0.0.1:{node["port"]}"' for node in nodes)
        self.told = f"{masters} masters on the ports " + ", ".join(str(n["port"]) for n in nodes[:masters])

    @staticmethod
    def _write_nodes(server, nodes, me, masters):
        path = os.path.join(server.directory, "nodes.conf")
        if os.path.exists(path):
            return  # who is master of what was settled since
        lines = []
        for i, node in enumerate(nodes):
            flags = ("myself," if i == me else "") + ("master" if i < masters else "slave")
            of = i % masters
            first, last = of * SLOTS // masters, (of + 1) * SLOTS // masters - 1
            above, slots = ("-", f" {first}-{last}") if i < masters else (nodes[of]["id"], "")
            lines.append(f"{node['id']} 127.0.0.1:{node['port']}@{node['bus']} {flags} {above} 0 0 {of + 1} connected{slots}")
        lines.append(f"vars currentEpoch {masters} lastVoteEpoch 0")
        authority.private_file(path, "\n".join(lines).encode() + b"\n")

    def store(self, broker):
        """The block of the configuration, for the broker of that name."""
        return (f'redis {{\n    {self.words}\n    user "countersign" password-file "{self.directory}/broker.password"\n'
                f'    name "{broker}"\n}}')

    def start(self):
        for server in self.servers:
            server.start()
        deadline = time.monotonic() + START_S
        for server in self.servers:
            while not server.well():
                if time.monotonic() > deadline:
                    raise Trouble(f"{server.name} does not become ready; the end of {server.log}:\n{end_of(server.log)}")
                select.select([], [], [], 0.02)

    def version(self):
        for line in self.servers[0].ask("INFO", "server").splitlines():
            if line.startswith("redis_version:"):
                return line.partition(":")[2].strip()
        return ""

    def stop(self):
        for server in self.servers:
            server.stop()
