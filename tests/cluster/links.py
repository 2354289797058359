# SPDX-License-Identifier: Apache-2.0
"""
Links that can be cut and mended, where no network of one's own can be had: a process that stands before every server and passes bytes on.

    links = Links.of_cluster()               # give links.announce to Cluster, then links.begin(fleet.network)
    links.cut("1", "4")                      # server 1 hears no more of server 4, nor it of server 1; everybody else hears both
    links.cut("brokers", "1")                # whoever is no server
    links.mend()                             # what was held up arrives late, as it does in real networks

A server is known by the address that it calls from (bind-source-addr). A link that is cut is silent: nothing is refused or closed, calls are
taken and not answered, as if the packets were lost.
"""
import asyncio
import subprocess
import sys

PORT, BUS_PORT = 6379, 16379
FRONT = 100            # what stands before server N listens on N + FRONT
CHUNK = 65536
BROKERS = "brokers"


class Links:
    """The process, as a test sees it. fronts: {name of the listener: (address behind it, ports)}."""

    FRONT = FRONT

    def __init__(self, network, fronts, servers):
        self._process = subprocess.Popen([sys.executable, __file__, network, str(servers),
                                          *(f"{name}={at}={to}={','.join(map(str, ports))}" for name, (at, to, ports) in fronts.items())],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    @classmethod
    def of_cluster(cls, network, servers):
        """Before each server of a cluster, its bus too."""
        return cls(network, {str(n): (n + FRONT, n, (PORT, BUS_PORT)) for n in range(1, servers + 1)}, servers)

    @classmethod
    def of_brokers(cls, network, brokers):
        """One for each broker before server 1: a broker's link alone can be cut, by its name."""
        return cls(network, {name: (FRONT + n, 1, (PORT,)) for n, name in enumerate(brokers, 1)}, 1)

    @staticmethod
    def announce(network, n):
        """What Cluster(announce=...) takes."""
        return f"{network}.{n + FRONT}", PORT, BUS_PORT

    def _say(self, *words):
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def cut(self, a, b, only="both"):
        """Both ways; only: "data" (commands and replication), "bus" (what servers of a cluster think of each other) or "both"."""
        self._say("cut", a, b, only)
        self._say("cut", b, a, only)

    def mend(self):
        self._say("mend")

    def stop(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Switch:
    """Which links are cut."""

    def __init__(self):
        self.cuts, self.mended = set(), asyncio.Event()

    def is_cut(self, source, to, kind):
        return bool({(source, to, kind), (source, to, "both"), ("*", to, "both")} & self.cuts)

    async def passable(self, *link):
        while self.is_cut(*link):
            await self.mended.wait()

    def obey(self, words):
        if words[0] == "cut":
            self.cuts.add(tuple(words[1:]))
            self.mended.clear()
        elif words[0] == "mend":
            self.cuts.clear()
            self.mended.set()


async def _pass_on(switch, link, reader, writer):
    try:
        while data := await reader.read(CHUNK):
            await switch.passable(*link)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        await switch.passable(*link)
        writer.close()


async def _serve(switch, names, name, address, port, reader, writer):
    source = names.get(writer.get_extra_info("peername")[0], BROKERS)
    link = (source, name, "bus" if port == BUS_PORT else "data")
    await switch.passable(*link)
    try:
        back, forth = await asyncio.open_connection(address, port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_pass_on(switch, link, reader, forth), _pass_on(switch, link, back, writer), return_exceptions=True)


async def _main(network, servers, fronts):
    switch = Switch()
    names = {f"{network}.{n}": str(n) for n in range(1, int(servers) + 1)}
    for front in fronts:
        name, at, to, ports = front.split("=")
        for port in map(int, ports.split(",")):
            def serve(reader, writer, name=name, to=to, port=port):
                return _serve(switch, names, name, f"{network}.{to}", port, reader, writer)
            await asyncio.start_server(serve, f"{network}.{at}", port)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        switch.obey(line.split())
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3:]))
