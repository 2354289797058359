# SPDX-License-Identifier: Apache-2.0
"""
Several brokers of one realm over one fleet of redis-servers: the same keys, provider and clock, each with its own journal.

    with Brokers(fleet) as realm:
        realm.brokers[0].person()                 # an account, which every broker knows
        realm.purses(fleet.master_of(0))          # accounts with an allowance: two that this server keeps, one of each other
"""
import contextlib

import evidence
from harness import Broker, VarlinkError, redis_store
from history import POLICY, Load, Purse, key_of, slot_of
from servers import fresh_prefix
from waiting import until

MOST_PERSONS = 60      # of 1024 parts a third each: nobody needs that many to have two of one
BUSY, TRIES = ("Unavailable", "provider_stale"), 5
NAMES = "abcdefgh"
HURRIED = {"timeout": "1s"}


class Brokers:
    def __init__(self, fleet, n=2, servers=None, settle=True, **rest):
        """
        rest: of redis_store (replicas, lease, timeout, more) and of Broker. servers: {name of a broker: addresses} where they differ.
        Patient where the test is not about servers that are gone, since others are tested at the same time: HURRIED says otherwise.
        """
        store = {name: rest.pop(name) for name in ("replicas", "lease", "timeout", "more") if name in rest}
        self.fleet, self.prefix, self.brokers = fleet, fresh_prefix(), []
        store = {"lease": "1s", "timeout": "3s", **store}
        try:
            for name in NAMES[:n]:
                text = redis_store(At(fleet, servers[name]) if servers else fleet, self.prefix, name, **store)
                self.brokers.append(Broker(store=text, beside=self.brokers[0] if self.brokers else None,
                                           **{"https": False, "policy_limits": POLICY, **rest}))
            if settle:
                self.settled()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def settled(self):
        """Until every broker's view is fresh."""
        for broker in self.brokers:
            until(lambda: store_of(broker).get("fresh", True), "a broker to have a fresh view")

    def stop(self):
        logs = []
        for broker in reversed(self.brokers):
            logs.append(broker.log())
            with contextlib.suppress(OSError):
                broker.stop()
        for log in logs:
            assert "Sanitizer" not in log and "runtime error:" not in log and "invariant broken" not in log, log

    def patiently(self, make):
        """What this makes. A machine that is busy may take the lease of a second: then once more, when every broker's view is fresh again."""
        for _ in range(TRIES):
            try:
                return make()
            except (VarlinkError, AssertionError) as error:
                if not any(word in str(error) for word in BUSY):
                    raise
            self.settled()
        return make()

    def purses(self, victim=None, two=2, **rest):
        """
        Purses, at least two on the victim and one on each other master; without a victim, three anywhere. Each code that a person needs moves the
        clock on, and a session ends when it was idle for a quarter of an hour: so where somebody is kept is looked at before anything else is done.
        """
        broker = self.brokers[0]
        if victim is None:
            return [self.patiently(lambda n=n: Purse(broker, **(rest if n % 2 == 0 else {"per_day": "60.00"}))) for n in range(3)]
        found = {server: [] for server in self.fleet.masters()}
        wanted = {server: two if server is victim else 1 for server in found}

        def one_more():
            person = broker.person(linked=False)
            server = self.fleet.master_of(slot_of(key_of(broker, person.account)))
            if len(found[server]) < wanted[server]:
                found[server].append(Purse(broker, person=person, **(rest if not found[server] else {"per_day": "60.00"})))

        for _ in range(MOST_PERSONS):
            if all(len(found[server]) == wanted[server] for server in wanted):
                break
            self.patiently(one_more)
        self.on_victim = found[victim]
        self.elsewhere = [purse for server, purses in found.items() if server is not victim for purse in purses]
        return self.on_victim + self.elsewhere

    def load(self, purses, **rest):
        return Load(self.brokers, purses, evidence=lambda silent: evidence.of(self, silent), **rest)


class At:
    """A fleet as one broker is told of it."""

    def __init__(self, fleet, addresses):
        self.mode, self.addresses = fleet.mode, addresses


def store_of(broker):
    return broker.admin.call("Admin.Status")["store"]
