#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Brokers that share a Redis Cluster on loopback: started, kept up, paid through, stopped. See ../try-cluster."""
import argparse
import os
import select
import shutil
import signal
import sys
import tempfile
import time

from broker import MASTERS, Broker, running
from client import Lost, Refusal, Varlink
from common import Trouble, process_start, read_json, write_json
from play import complain, detach, short_path, stop, wake_on_signals
from screen import Screen

BROKERS_MAX = 8
RESTART_S = 5        # a server that was killed is missed for so long
TURN_S = 0.5
PAY_EVERY_S = 0.05
GAP_S = 0.3          # a shorter one is no gap to tell of
PAYMENTS_EACH = 2000  # of one account: below what the policy's limits allow in a day


def arguments():
    parser = argparse.ArgumentParser(prog="try-cluster", description=__doc__)
    parser.add_argument("--build", help="the build tree")
    parser.add_argument("--dir")
    parser.add_argument("--brokers", type=int, default=2)
    parser.add_argument("--seconds", type=int)
    mode = parser.add_mutually_exclusive_group()
    for name in ("--background", "--stop", "--pay"):
        mode.add_argument(name, action="store_true")
    given = parser.parse_args()
    if not given.build and not (given.stop or given.pay):
        parser.error("--build is missing")
    if not given.dir and (given.stop or given.pay or given.background):
        parser.error("--dir is missing")
    if not 1 <= given.brokers <= BROKERS_MAX:
        parser.error(f"--brokers must be from 1 to {BROKERS_MAX}")
    return given


class All:
    """The cluster and its brokers. The first broker owns what they share."""

    def __init__(self, build, directory, count):
        self.directory = directory
        first = Broker(build, os.path.join(directory, "broker-1"), "cluster")
        self.brokers = [first] + [Broker(build, os.path.join(directory, f"broker-{n}"), "cluster", first)
                                  for n in range(2, count + 1)]
        self.missed = {}

    @property
    def fleet(self):
        return self.brokers[0].fleet

    def start(self):
        if running(self.directory):
            raise Trouble(f"a cluster runs in {self.directory} already; stop it with: "
                          f"packaging/try-cluster --stop --dir {self.directory}")
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        first, *others = self.brokers
        if not os.path.exists(first.path("state", "master.key")):
            first.start()  # it makes the key file, which the others get a copy of
            waits = [broker.begin() for broker in others]
        else:
            # All at once: after the servers were down, none is ready before each has told what it had acknowledged.
            waits = [broker.begin() for broker in self.brokers]
        for wait in waits:
            wait()
        write_json(os.path.join(self.directory, "endpoints.json"), {
            "brokers": [broker.endpoints for broker in self.brokers],
            "redis": [{"at": server.at, "log": server.log} for server in self.fleet.servers],
            "log": self.brokers[0].log, "keeper_pid": os.getpid(), "keeper_start": process_start(os.getpid())})

    def look(self):
        """Starts a server again some time after it ended. The brokers' ends are their own business, and told."""
        for server in self.fleet.servers:
            if server.process.poll() is None:
                continue
            since = self.missed.setdefault(server.name, time.monotonic())
            if time.monotonic() - since >= RESTART_S:
                del self.missed[server.name]
                server.start()
        for broker in self.brokers:
            if broker.process.poll() is not None:
                raise Trouble(f"{broker.name} ended by itself; see {broker.log}")

    def keep(self):
        """Until a signal says stop."""
        wake = wake_on_signals()
        while not select.select([wake], [], [], TURN_S)[0]:
            self.look()

    def stop(self):
        for broker in reversed(self.brokers):
            broker.stop_unless_foreign()
        try:
            os.unlink(os.path.join(self.directory, "endpoints.json"))
        except OSError:
            pass


def background(given):
    tell = detach(given.dir)
    if not isinstance(tell, int):
        return complain(tell) if tell else 0
    everything = All(given.build, given.dir, given.brokers)
    try:
        everything.start()
    except (Trouble, OSError) as error:
        everything.stop()
        os.write(tell, str(error).encode())
        os._exit(1)
    os.close(tell)
    try:
        everything.keep()
    finally:
        everything.stop()
    return 0


def what_next(screen, everything):
    fleet, directory = everything.fleet, everything.directory

    def item(title, *lines):
        screen.line()
        screen.wrapped(title, "   ", screen.dim)
        for line in lines:
            screen.line("   " + line)

    screen.line()
    screen.line("   " + screen.bold("All stay up until Ctrl-C. Try, in other terminals:"))
    item("Payments through all brokers in turn, told each second:", f"packaging/try-cluster --pay --dir {directory}")
    item(f"A master dies. Its replica takes over; it is started again after {RESTART_S} s, and copies what it missed. Until then "
         "its accounts wait, since each write needs a master and a replica (with two replicas each nobody waits):",
         f"kill -9 $(cat {fleet.servers[0].pid_file})")
    item("What a broker says of it:", *(
        f"{short_path(b.endpoints['countersignctl'])} --socket {b.endpoints['admin_socket']} store status"
        for b in everything.brokers[:1]), "watch -n 1 " + " ".join((
            short_path(everything.brokers[-1].endpoints["countersignctl"]), "--socket",
            everything.brokers[-1].endpoints["admin_socket"], "status")))
    item("A freeze through one broker holds at all of them within the lease of a second:",
         f"{short_path(everything.brokers[0].endpoints['countersignctl'])} --socket "
         f"{everything.brokers[0].endpoints['admin_socket']} provider freeze sandbox")
    item("The servers, as their admin:", f"export REDISCLI_AUTH=$(cat {fleet.directory}/admin.password)",
         f"redis-cli {' '.join(fleet.servers[0].at)} -c --user admin CLUSTER NODES")
    screen.line()


def foreground(given):
    screen = Screen()
    directory = given.dir or tempfile.mkdtemp(prefix="countersign-", dir="/tmp")
    everything = All(given.build, directory, given.brokers)
    status = 0
    try:
        screen.title("Countersign on a Redis Cluster", "Many brokers, one truth.")
        everything.start()
        fleet = everything.fleet
        ports = [server.at[1] for server in fleet.servers]
        rows = [(broker.name, f"{broker.endpoints['https']}, {broker.endpoints['socket']}") for broker in everything.brokers]
        screen.facts((("masters", f"redis-server {fleet.version()} on 127.0.0.1, ports {', '.join(ports[:MASTERS])}"),
                      ("replicas", f"of these in turn, ports {', '.join(ports[MASTERS:])}"), *rows, ("in", directory)))
        what_next(screen, everything)
        everything.keep()
        screen.line("\n   Stopped.")
    except Trouble as error:
        status = complain(error)
    except KeyboardInterrupt:
        status = 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        everything.stop()
        if not given.dir:
            shutil.rmtree(directory, ignore_errors=True)
    return status


# -- paying


class Place:
    """What a story needs of a broker."""

    def __init__(self, endpoints):
        self.endpoints = endpoints


class Payer:
    """Pays for one account after the other, each time through the next broker; the one after that takes the money."""

    def __init__(self, screen, brokers):
        from chapters import Story
        self.story = Story(Place(brokers[0]), screen, format(int(time.time()) % 36 ** 5, "x"))
        self.doors = [Varlink(at["socket"]) for at in brokers]
        self.people = 0
        self.asked = 0
        self.permits = []  # what was acknowledged: (door, parameters, hold)
        self.held = []     # and not captured yet

    def person(self):
        from chapters import Person
        self.people += 1
        made = Person(f"Payer{self.people}", self.story.run)
        self.story.prepare(made, self.story.allowance("0.01", "500.00", "500.00"))
        return made

    def pay(self, person):
        """The outcome, or why there is none."""
        door = self.asked % len(self.doors)
        self.asked += 1
        ask = {"session": person.session, "payment": self.story.payment("0.01")}
        try:
            reply = self.doors[door].call("Payments.Authorize", **ask)
        except Refusal as error:
            return error.error
        except Lost:
            return "connection lost"
        if reply["outcome"] != "permit":
            return reply["reason"]
        self.permits.append((door, ask, reply["hold"]["id"]))
        self.held.append((door, ask["payment"]["id"], reply["hold"]["id"]))
        self.capture()
        return "permit"

    def capture(self):
        """Takes the money of what is held, through another broker; what fails is asked again with the next payment."""
        held, self.held = self.held, []
        for door, payment, hold in held:
            try:
                self.doors[(door + 1) % len(self.doors)].call("Payments.Capture", hold=hold, capture_id=payment)
            except (Refusal, Lost):
                self.held.append((door, payment, hold))

    def missing(self):
        """Permits that another broker does not know: asked again, the same hold must come."""
        lost = 0
        for door, ask, hold in self.permits:
            try:
                reply = self.doors[(door + 1) % len(self.doors)].call("Payments.Authorize", **ask)
            except (Refusal, Lost):
                reply = {"outcome": "unknown"}
            lost += reply["outcome"] != "permit" or reply["hold"]["id"] != hold
        return lost


def pay(given):
    at = running(given.dir)
    if at is None:
        return complain(f"nothing runs in {given.dir}; start it with: packaging/try-cluster --dir {given.dir}")
    screen = Screen()
    payer = Payer(screen, at["brokers"])
    ends = time.monotonic() + given.seconds if given.seconds else float("inf")
    wake = wake_on_signals()
    person, second, counts, gone_since = payer.person(), time.monotonic() + 1, {}, None
    screen.line(screen.dim(f"   payments of 0.01 CNY, through {len(payer.doors)} brokers in turn; Ctrl-C to end"))
    while time.monotonic() < ends and not select.select([wake], [], [], PAY_EVERY_S)[0]:
        if payer.asked >= payer.people * PAYMENTS_EACH:
            person = payer.person()
        word = payer.pay(person)
        counts[word] = counts.get(word, 0) + 1
        if word == "permit":
            if gone_since is not None and time.monotonic() - gone_since > GAP_S:
                counts[f"again after {time.monotonic() - gone_since:.1f} s"] = 1
            gone_since = None
        elif gone_since is None:
            gone_since = time.monotonic()
        if time.monotonic() >= second:
            good = counts.pop("permit", 0)
            others = "  ".join(word if word.startswith("again") else f"{n} {word}" for word, n in counts.items())
            screen.line(f"   {screen.dim(time.strftime('%H:%M:%S'))}  {good:3} permitted  {screen.bold(others)}")
            second, counts = time.monotonic() + 1, {}
    lost = payer.missing()
    screen.proof(f"{len(payer.permits)} permits, and each is there at another broker" if not lost else
                 f"{lost} of {len(payer.permits)} permits are not there at another broker", not lost)
    return 1 if lost else 0


def main():
    given = arguments()
    if given.dir:
        given.dir = os.path.abspath(given.dir)
    if given.stop:
        return stop(given.dir)
    try:
        return pay(given) if given.pay else background(given) if given.background else foreground(given)
    except (Refusal, Lost) as error:
        return complain(error)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
