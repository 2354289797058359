# SPDX-License-Identifier: Apache-2.0
"""
Faults under load, on a cluster of three masters with a replica each. After each of them the checker has the word: every acknowledged permit and
capture is there, no limit overspent, no code used twice. Each prints how long it took until the accounts concerned were served again; that is
never asserted. README.md has the table of what is expected. CS_LONG=1 plays those too that a quick run leaves out.
"""
import functools
import os
import subprocess
import time

import pytest

import brokers
from brokers import HURRIED, store_of
from history import assert_whole
from links import BROKERS
from servers import Cluster, missing
from waiting import until

LONG = os.environ.get("CS_LONG") == "1"
SOME, MORE = (400, 400) if LONG else (120, 80)          # answers before a fault and after it
SLOW_BURSTS = 40 if LONG else 12

Brokers = functools.partial(brokers.Brokers, **HURRIED)

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
long = pytest.mark.skipif(not LONG, reason="a long one: CS_LONG=1 plays it")


@pytest.fixture(scope="module")
def servers():
    with Cluster() as fleet:
        yield fleet


@pytest.fixture
def fleet(servers):
    """The cluster as it was, whatever a test did to it."""
    yield servers
    servers.heal()


def victim_of(fleet):
    """A master that does not keep what all brokers look at, so that the accounts of the others can be served all the while."""
    return fleet.master_of(8000)


@long
def test_the_master_that_keeps_what_all_brokers_look_at_is_killed(fleet):
    """Nobody's view is fresh for a while, so nobody permits anything; then all are served."""
    with Brokers(fleet) as realm:
        master = fleet.master_of(0)
        replica, = fleet.replicas_of(master)

        def kill():
            master.kill()
            fleet.promoted(master, replica)
            master.start()

        play(realm, master, kill, "kill -9 of the master of the beats")


def told(fault, seconds):
    print(f"{fault}: served again after {seconds[0]:.2f} s" + (f" (the first {seconds[1]:.2f} s)" if len(seconds) > 1 else ""))


def play(realm, victim, fault, name):
    """Load, the fault, load until all are served again, the verdict."""
    purses = realm.purses(victim)
    with realm.load(purses) as load:
        load.heard(SOME)
        at = time.monotonic()
        fault()
        told(name, load.serves_again(since=at))
        load.heard(MORE)
        load.end()
    assert_whole(load)
    return load


def test_a_master_is_killed(fleet):
    with Brokers(fleet) as realm:
        master = victim_of(fleet)
        replica, = fleet.replicas_of(master)

        def kill():
            master.kill()
            fleet.promoted(master, replica)
            # What the new master acknowledges needs a copy: it waits until the old one is back, as its replica.
            master.start()

        play(realm, master, kill, "kill -9 of a master")


@long
def test_a_master_is_killed_and_comes_back_before_anybody_is_promoted(fleet):
    with Brokers(fleet) as realm:
        master = victim_of(fleet)

        def kill():
            master.kill()
            master.start()

        play(realm, master, kill, "kill -9 of a master that is started at once")


@long
def test_a_master_stands_still_until_it_is_replaced_and_goes_on(fleet):
    """It wakes up as a master that nobody follows; what it still has in its queues must not count."""
    with Brokers(fleet) as realm:
        master = victim_of(fleet)
        replica, = fleet.replicas_of(master)

        def stand_still():
            master.stand_still()
            fleet.promoted(master, replica)
            master.go_on()

        play(realm, master, stand_still, "a master that stands still")


@long
def test_a_disk_that_is_slow(fleet):
    """A server that stands still again and again, for less than it takes to be replaced, as one does whose disk is slow."""
    with Brokers(fleet) as realm:
        master = victim_of(fleet)

        def bursts():
            for _ in range(SLOW_BURSTS):
                master.stand_still()
                time.sleep(0.3)          # this is the fault, and no waiting for anything
                master.go_on()
                time.sleep(0.05)

        play(realm, master, bursts, "a slow disk")


@long
def test_all_servers_are_killed_and_started(fleet):
    with Brokers(fleet) as realm:

        def kill():
            fleet.kill_all()
            fleet.start_all()

        play(realm, victim_of(fleet), kill, "kill -9 of all servers")


def rolled_back(realm, fleet, master, break_also=lambda: None, repaired=lambda: None):
    """
    A replica takes over without its master's last writes. replicas is 0, so they were acknowledged: without journals they would be lost. Gives
    the load, which has ended.
    """
    replica, = fleet.replicas_of(master)
    purses = realm.purses(master)
    with realm.load(purses) as load:
        load.heard(SOME)
        replica.stop_replication()
        before = len(load.ops)
        load.wait(lambda: sum(op.what == "permit" and op.result == "ok" and op.account == realm.on_victim[0].account
                              for op in load.ops[before:]) >= 10, "permits that the replica does not hear of")
        behind = int(master.info("replication")["master_repl_offset"]) - int(replica.info("replication")["slave_repl_offset"])
        assert behind > 0, "nothing to lose"
        break_also()
        at = time.monotonic()
        fleet.take_over(replica)
        replica.resume_replication()
        until(lambda: master.role() == "slave", "the old master to forget what it knew")
        repaired()
        told(f"a rollback of {behind} bytes", load.serves_again(since=at))
        load.heard(MORE)
        load.end()
    return load


WEAK = {"replicas": 0, "more": "weaker no-replicas"}


def test_acknowledged_writes_that_the_servers_lost_are_put_back(fleet):
    with Brokers(fleet, **WEAK) as realm:
        assert_whole(rolled_back(realm, fleet, victim_of(fleet)))


def test_what_the_servers_lost_is_held_back_while_a_broker_is_away_that_may_know_it(fleet):
    """One of two brokers died with the writes in its journal: the other refuses those accounts, serves all others, and goes on when it is back."""
    with Brokers(fleet, **WEAK) as realm:
        a, b = realm.brokers

        def back():
            service = a.connect()
            account = realm.on_victim[0].account
            # Others are served all the while, and this one is not.
            until(lambda: outcome(service, realm.elsewhere[0]) != "Unavailable", "other accounts to be served")
            seen = {outcome(service, realm.on_victim[0]) for _ in range(20)}
            assert seen == {"Unavailable"}, (account, seen, store_of(a))
            b.start()

        assert_whole(rolled_back(realm, fleet, victim_of(fleet), b.kill, back))


def outcome(service, purse, number=[0]):
    """Of a small payment that nobody asked for before: permit, deny or the name of the error."""
    from harness import VarlinkError
    number[0] += 1
    try:
        return service.call("Payments.Authorize", session=purse.session, payment=purse.payment(f"x-{number[0]}", 1))["outcome"]
    except VarlinkError as error:
        return error.name


def test_everything_is_flushed_by_mistake(fleet):
    """FLUSHALL on every master: what the journals hold is put back, or held; nothing is decided as if nobody had spent anything."""
    with Brokers(fleet) as realm:
        play(realm, victim_of(fleet), fleet.flush, "FLUSHALL")


@long
def test_memory_is_full_and_then_is_not(fleet):
    with Brokers(fleet) as realm:
        purses = realm.purses()
        with realm.load(purses) as load:
            load.heard(SOME)
            fleet.set("maxmemory", "1mb")
            before = len(load.ops)
            load.wait(lambda: any(op.result == "unknown" for op in load.ops[before:]), "a refusal for want of memory")
            # What takes power away may wait for memory, too; but nobody is told that it was done when it was not.
            at = time.monotonic()
            fleet.set("maxmemory", "0")
            told("memory that was full", load.serves_again(since=at))
            load.heard(MORE)
            load.end()
        assert_whole(load)


def test_slots_move_while_they_are_served(fleet):
    with Brokers(fleet) as realm:
        purses = realm.purses(victim_of(fleet))
        slots = sorted({s for purse in realm.on_victim for s in range(purse.slot(realm.brokers[0]), purse.slot(realm.brokers[0]) + 16)})
        target = fleet.master_of(16383)
        with realm.load(purses) as load:
            load.heard(SOME)
            at = time.monotonic()
            # In the middle of each, some keys are here and some there.
            fleet.reshard(slots, target, between=lambda slot: load.heard(2))
            told(f"moving {len(slots)} slots", load.serves_again(since=at))
            load.heard(MORE)
            load.end()
        assert_whole(load)
        assert all(fleet.master_of(slot) is target for slot in slots)


@long
def test_every_server_is_restarted_one_after_the_other(fleet):
    with Brokers(fleet) as realm:
        play(realm, victim_of(fleet), fleet.rolling_restart, "a rolling restart")


@long
def test_a_broker_is_killed_and_the_other_goes_on(fleet):
    with Brokers(fleet) as realm:
        a, b = realm.brokers
        purses = realm.purses()
        with realm.load(purses) as load:
            load.heard(SOME)
            b.kill()
            at = time.monotonic()
            told("kill -9 of a broker, at the other", load.serves_again(since=at))
            load.heard(MORE)
            at = time.monotonic()
            b.start()
            told("its start", load.serves_again(since=at))
            load.heard(MORE)
            load.end()
        assert_whole(load)


@long
def test_the_clock_of_a_server_is_wrong(tmp_path):
    """
    An hour ahead: payments are served while it is so and when it is mended. What was logged meanwhile is shown by the log of all an hour later,
    in its order: so here each acknowledged payment is asked for.
    """
    wrong = str(tmp_path / "wrong_clock.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrong_clock.c")
    made = subprocess.run(["cc", "-shared", "-fPIC", "-o", wrong, source], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip("no compiler for the wrong clock: " + made.stderr[:200])
    ahead = {"LD_PRELOAD": wrong, "WRONG_CLOCK_S": "3600"}
    with Cluster(environment={2: ahead, 5: ahead}) as fleet:
        assert abs(int(fleet.servers[1].call("TIME")[0]) - time.time()) > 3000
        with Brokers(fleet) as realm:
            purses = realm.purses(victim_of(fleet))
            with realm.load(purses) as load:
                load.heard(SOME)
                for server in (fleet.servers[1], fleet.servers[4]):
                    server.environment = {}
                    server.kill()
                at = time.monotonic()
                for server in (fleet.servers[1], fleet.servers[4]):
                    server.start()
                fleet.ready()
                told("a clock that was an hour ahead, and the restart that mends it", load.serves_again(since=at))
                load.heard(MORE)
                load.end()
            known = {(op.account, op.payment): op.hold for op in load.ops if op.what == "permit" and op.result == "ok"}
            for broker in realm.brokers:
                for (account, payment), hold in known.items():
                    assert broker.service.call("Payments.Get", account=account, payment=payment)["hold"]["id"] == hold, (account, payment)


# --- links that are cut -------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def linked_servers():
    with Cluster(links=True) as fleet:
        yield fleet


@pytest.fixture
def linked(linked_servers):
    yield linked_servers
    linked_servers.heal()


@long
def test_a_master_loses_its_replica(linked):
    """What cannot be copied is not acknowledged: those accounts wait, all others are served; and are served again when the link is back."""
    with Brokers(linked) as realm:
        master = victim_of(linked)
        replica, = linked.replicas_of(master)
        purses = realm.purses(master)
        with realm.load(purses) as load:
            load.heard(SOME)
            linked.cut(master, replica, "data")
            at = time.monotonic()
            load.wait(lambda: sum(op.result == "unknown" and op.begun > at for op in load.ops) >= 5, "refusals")
            load.serves_again(realm.elsewhere, since=at)
            cut = [op for op in load.ops if op.begun > at + 0.1 and op.what == "permit" and op.result == "ok"
                   and op.account in {purse.account for purse in realm.on_victim}]
            at = time.monotonic()
            linked.links.mend()
            told("a master without its replica", load.serves_again(since=at))
            load.heard(MORE)
            load.end()
        assert_whole(load)
        # A replay of what was known before may be answered; nothing new is.
        first = {op.payment: op.begun for op in reversed(load.ops) if op.what == "permit" and op.result == "ok"}
        assert [op for op in cut if first[op.payment] == op.begun] == [], "permitted without a copy"


@long
def test_brokers_lose_a_master_and_its_replica(linked):
    with Brokers(linked) as realm:
        master = victim_of(linked)
        replica, = linked.replicas_of(master)
        purses = realm.purses(master)
        with realm.load(purses) as load:
            load.heard(SOME)
            linked.cut(BROKERS, master)
            linked.cut(BROKERS, replica)
            at = time.monotonic()
            load.wait(lambda: sum(op.result == "unknown" and op.begun > at for op in load.ops) >= 5, "refusals")
            at = time.monotonic()
            linked.links.mend()
            told("brokers without a master and its replica", load.serves_again(since=at))
            load.heard(MORE)
            load.end()
        assert_whole(load)


@long
def test_a_master_is_cut_off_from_all_other_servers_and_not_from_the_brokers(linked):
    """The worst of partitions: the old master goes on to serve whoever asks it, while the others have replaced it."""
    with Brokers(linked) as realm:
        master = victim_of(linked)
        replica, = linked.replicas_of(master)
        purses = realm.purses(master)
        with realm.load(purses) as load:
            load.heard(SOME)
            at = time.monotonic()
            for server in linked.servers:
                if server is not master:
                    linked.cut(master, server)
            until(lambda: replica.role() == "master", "the replica to be promoted")
            load.wait(lambda: sum(op.result == "unknown" and op.begun > at for op in load.ops) >= 5, "refusals")
            at = time.monotonic()
            linked.links.mend()
            told("a master in a minority", load.serves_again(since=at))
            load.heard(MORE)
            load.end()
        assert_whole(load)
