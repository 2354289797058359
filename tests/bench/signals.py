# SPDX-License-Identifier: Apache-2.0
"""From a provider's security event to the end of spending: an account that has just paid by an open allowance, its provider
posts account-disabled over HTTPS, and the very next payment is asked for. Half of the accounts are stopped beside a load of
questions of the others."""
import json
import os
import sys
import threading
import time

import stepup

COLUMNS = ("beside", "taken p50 ms", "taken p99 ms", "stopped p50 ms", "stopped p99 ms", "rounds")
TARGET_MS = 1000


def pay(person):
    return person.authorize(person.at, person.payment("1.00"))["outcome"]


def one(broker, person):
    """Seconds from the first byte of the event to its 202, and to the answer of the payment that is denied."""
    from signalling import mint, push

    if pay(person) != "permit":
        raise RuntimeError("an open allowance does not pay")
    message = mint(broker, "account-disabled", person.subject)
    start = time.perf_counter()
    status, _, body = push(broker, message)
    taken = time.perf_counter() - start
    outcome = pay(person)
    stopped = time.perf_counter() - start
    if status != 202 or outcome != "deny":
        raise RuntimeError(f"the event was not taken, or stopped nothing: {status} {body} {outcome}")
    return taken, stopped


class Load:
    """Other accounts that ask for payments without a pause, each on a connection of its own."""

    def __init__(self, broker, people):
        self.over, self.threads = threading.Event(), []
        for person in people:
            client = broker.connect()
            self.threads.append(threading.Thread(target=self._run, args=(person, client)))
            self.threads[-1].start()

    def _run(self, person, client):
        while not self.over.is_set():
            client.call("Payments.Evaluate", session=person.at, payment=person.payment("1.00"))

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def ready(broker):
    from test_allowances import granted

    person = broker.person()
    person.at = person.session()
    granted(person, person.at)
    return person


def row(what, times):
    taken, stopped = zip(*times)
    found = {"beside": what, "rounds": len(times)}
    for name, values in (("taken", taken), ("stopped", stopped)):
        for q in (0.5, 0.99):
            found[f"{name} p{round(100 * q)} ms"] = stepup.quantile(values, q) * 1000
    return found


def measure(options):
    """options: build, source, quick, json."""
    os.environ["CS_BUILDDIR"], os.environ["CS_SRCDIR"] = options.build, options.source
    sys.path[:0] = [os.path.join(options.source, "tests", "scenario")]
    from harness import Broker

    rounds = 5 if options.quick else 50
    broker = Broker(provider_extra="set algorithm ES256")
    try:
        print("  nothing ...", file=sys.stderr, flush=True)
        rows = [row("nothing", [one(broker, ready(broker)) for _ in range(rounds)])]
        print("  a load ...", file=sys.stderr, flush=True)
        people = [ready(broker) for _ in range(rounds)]
        load = Load(broker, [ready(broker) for _ in range(4)])
        try:
            rows.append(row("4 accounts that ask", [one(broker, person) for person in people]))
        finally:
            load.end()
    finally:
        broker.stop()
    print("\nFrom the first byte of a provider's security event to its 202, and to the payment that is denied:")
    stepup.print_rows(rows, COLUMNS)
    with open(options.json, "w", encoding="utf-8") as f:
        json.dump({"signals": rows}, f, indent=1)
    return 0 if all(r["stopped p99 ms"] < TARGET_MS for r in rows) else 1
