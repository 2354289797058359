#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the story against a broker of its own; keeps one up, here or in the background; stops it. See ../quickstart."""
import argparse
import os
import select
import shutil
import signal
import sys
import tempfile
import time

from broker import DRIFT, PERIOD_S, STORES, STOP_S, Broker, running
from common import TOP, Trouble, process_start, read_json, write_json
from client import Authenticator, Lost, Refusal

ME = "try-cluster" if os.path.basename(sys.argv[0]) == "cluster.py" else "quickstart"
PROMISE = "A third-party ID can say who is asking. It can never say yes to spending."


def arguments():
    parser = argparse.ArgumentParser(prog="quickstart", description=__doc__)
    parser.add_argument("--build", help="the build tree")
    parser.add_argument("--dir")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    mode = parser.add_mutually_exclusive_group()
    for name in ("--once", "--background", "--stop", "--code", "--no-story"):
        mode.add_argument(name, action="store_true")
    given = parser.parse_args()
    if not given.build and not (given.stop or given.code):
        parser.error("--build is missing")
    if not given.dir and (given.stop or given.code or given.background):
        parser.error("--dir is missing")
    return given


def complain(error):
    print(f"{ME}: {error}", file=sys.stderr)
    return 1


# -- stop and code: of a broker that runs elsewhere


def stop(directory):
    endpoints = running(directory)
    path = os.path.join(directory, "endpoints.json")
    if endpoints is None:
        if not os.path.exists(path):
            return complain(f"nothing runs in {directory}: there is no {path}")
        os.unlink(path)
        print(f"What ran in {directory} had ended already.")
        return 0
    keeper = os.pidfd_open(endpoints["keeper_pid"])
    if process_start(endpoints["keeper_pid"]) != endpoints["keeper_start"]:
        return 0  # it ended between the two looks
    signal.pidfd_send_signal(keeper, signal.SIGTERM)
    ended, _, _ = select.select([keeper], [], [], STOP_S + 5)
    if not ended:
        return complain(f"process {endpoints['keeper_pid']} does not end; see {endpoints['log']}")
    return 0


def code(directory):
    path = os.path.join(directory, "visitor.json")
    visitor = read_json(path)
    if visitor is None:
        return complain(f"there is no demonstration account in {directory}; play the story first")
    app = Authenticator(visitor["uri"])
    app.last = visitor["last"]  # a code is good once, and the story used some
    print(app.code(late=0))
    write_json(path, {**visitor, "last": app.last})
    return 0


# -- a broker of our own


def wake_on_signals():
    """A descriptor that can be read once SIGINT or SIGTERM came."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return wake_read


def wait_for_end(broker):
    """Until a signal says stop, or the daemon ends."""
    child = os.pidfd_open(broker.process.pid)
    ready, _, _ = select.select([child, wake_on_signals()], [], [])
    return child not in ready


def detach(directory):
    """In the parent, once the child has closed the pipe: None, or what went wrong. In the child: the pipe's descriptor."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    told, tell = os.pipe()
    if os.fork() != 0:
        os.close(tell)
        with os.fdopen(told) as pipe:
            return pipe.read() or None
    os.close(told)
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(os.path.join(directory, "keeper.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    return tell


def background(given):
    """Returns in the parent when the broker is ready; the child keeps it."""
    tell = detach(given.dir)
    if not isinstance(tell, int):
        return complain(tell) if tell else 0
    broker = Broker(given.build, given.dir, given.store)
    try:
        broker.start()
    except (Trouble, OSError) as error:
        broker.stop_unless_foreign()
        os.write(tell, str(error).encode())
        os._exit(1)
    os.close(tell)
    wait_for_end(broker)
    broker.stop()
    return 0


def summary(screen, story, broker, ready_ms):
    counts = story.counts
    screen.line()
    screen.rule()
    screen.line()
    screen.line("   " + screen.bold("What was proved"))
    screen.line()
    rows = (
        ("The ID alone spent nothing", f"{story.thief_tries} tries with a stolen ID, 0.00 CNY"),
        ("The owner's yes is bound", "to amount, currency and payee; signed, used once"),
        ("Limits are exact", "10 of 50 at once; 200.00 of 200.00 CNY across a kill -9"),
        ("A crash loses nothing", f"the engine answered again after {story.engine_back_ms:.0f} ms"),
        ("A bad plugin costs itself", "unavailable there, the others unharmed"),
    )
    for name, value in rows:
        screen.proof_row(name, value)
    screen.line()
    told = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("permit", "step_up", "deny") if counts.get(word))
    screen.line(f"   {story.requests} requests, {told}; {story.proofs} proofs, in {story.took_s:.1f} s.")
    memory = broker.memory_bytes() / 2**20  # 0: the kernel shows it to root alone
    screen.line(f"   The broker was ready in {ready_ms:.0f} ms" +
                (f"; its processes take {memory:.0f} MiB together." if memory else "."))


def short_path(path):
    """The path as one types it here."""
    near = os.path.relpath(path)
    return path if near.startswith("..") else os.path.join(".", near)


def what_next(screen, broker, story):
    """Lines to copy. A long one goes on after a backslash, so that it can be pasted."""
    at = broker.endpoints
    screen.line()
    screen.rule()
    screen.line()
    screen.line("   " + screen.bold("The broker stays up until Ctrl-C. Try:"))

    def item(title, *lines):
        screen.line()
        screen.line("   " + screen.dim(title))
        for line in lines:
            screen.line("   " + line)

    if story is not None:
        person, challenge = story.ready_for_visitors()
        write_json(broker.path("visitor.json"), {"uri": person.uri, "account": person.account, "last": person.app.last})
        item("A payment of 66.00 CNY waits for a code. In a browser (the certificate is of a CA made just now):",
             challenge["url"])
        item(f"A code for that page (good for about {PERIOD_S * DRIFT} s):",
             f"packaging/quickstart --code --dir {broker.directory}")
    item("As the admin:", f"ctl='{short_path(at['countersignctl'])} --socket {at['admin_socket']}'",
         "$ctl status", "$ctl events --follow", "$ctl provider freeze sandbox")
    tls = os.path.dirname(at["ca"])
    curl = ("tls=" + tls,
            "curl --cacert $tls/ca.pem --cert $tls/client.pem --key $tls/client.key \\",
            f"     {at['https']}/v1/whoami")
    item("As the service, over HTTPS:", *curl)
    call = f"{short_path(os.path.join(TOP, 'packaging', 'story', 'client.py'))} {at['socket']}"
    if story is None:
        item("As the service, on the Unix socket:", f"{call} Whoami")
    else:
        item("As the service, on the Unix socket (any Varlink client does):",
             f"{call} Lookup.ByAccount \\", f"     '{{\"account\": \"{person.account}\"}}'")
    if broker.fleet:
        item("The store's nodes, and what lies in them:", "$ctl store status", *redis_cli(broker))
    item("Logs, configuration, certificates:", broker.directory)
    screen.line()


def store_facts(screen, broker):
    if broker.fleet is None:
        return ()
    what = "three masters with a replica each, which has every write before an answer leaves" if broker.fleet.cluster else \
        "every write is on its disk before an answer leaves"
    return (("store", f"redis-server {broker.fleet.version()}, {broker.fleet.told}"), ("", screen.dim(what)))


def redis_cli(broker):
    """To look at the servers as their admin."""
    server = broker.fleet.servers[0]
    at = " ".join(server.at) + (" -c" if broker.fleet.cluster else "")
    return (f"export REDISCLI_AUTH=$(cat {broker.fleet.directory}/admin.password)", f"redis-cli {at} --user admin INFO keyspace")


def facts(screen, broker, ready_ms):
    at = broker.endpoints
    screen.facts((
        ("broker", f"{at['https']}, {at['socket']}"),
        ("", screen.dim(f"parent, engine, gateway and a worker a plugin: ready in {ready_ms:.0f} ms")),
        ("provider", f"{at['provider']}  {screen.dim('an OpenID Provider of its own')}"),
        *store_facts(screen, broker),
        ("in", broker.directory),
        ("note", f"codes change every {PERIOD_S} s and nothing cools off: for this demonstration only"),
    ))


def foreground(given):
    from screen import Screen
    from chapters import NotAsTold, Story
    screen = Screen()
    directory = given.dir or tempfile.mkdtemp(prefix="countersign-", dir="/tmp")
    broker = Broker(given.build, directory, given.store)
    story = None
    status = 0
    try:
        screen.title("Countersign", PROMISE)
        ready_ms = broker.start()
        facts(screen, broker, ready_ms)
        if not given.no_story:
            story = Story(broker, screen, format(int(time.time()) % 36 ** 4, "x"))
            story.play()
            summary(screen, story, broker, ready_ms)
        if not given.once:
            what_next(screen, broker, story)
            if not wait_for_end(broker):
                status = complain(f"the broker ended by itself; see {broker.log}")
            screen.line("\n   Stopped.")
        screen.line()
    except (NotAsTold, Refusal, Lost) as error:
        screen.line()
        status = complain(f"a step did not go as told.\n{error}")
        show_log(broker)
    except Trouble as error:
        status = complain(error)
    except KeyboardInterrupt:
        screen.line()
        status = 130
    except Exception as error:  # an answer of another shape than the story knows: as bad as a wrong one
        screen.line()
        where = f' In "{story.heading}":' if story is not None and story.chapters else ""
        status = complain(f"a step did not go as told.{where} {type(error).__name__}: {error}")
        show_log(broker)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        broker.stop_unless_foreign()
        if not given.dir:
            shutil.rmtree(directory, ignore_errors=True)
    return status


def show_log(broker):
    """The end of the broker's log, before a scratch directory takes it away."""
    try:
        with open(broker.log, errors="replace") as log:
            lines = log.readlines()[-12:]
    except OSError:
        return
    print(f"The end of {broker.log}:\n{''.join(lines)}", file=sys.stderr)


def main():
    given = arguments()
    if given.dir:
        given.dir = os.path.abspath(given.dir)
    if given.stop:
        return stop(given.dir)
    if given.code:
        return code(given.dir)
    return background(given) if given.background else foreground(given)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
