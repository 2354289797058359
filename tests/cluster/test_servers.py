# SPDX-License-Identifier: Apache-2.0
"""Faults of one server, alone, copied or watched by Sentinel; and servers that a broker must not use at all."""
import time

import pytest

from brokers import store_of
from history import assert_whole
from servers import Sentinel, Single, missing
from waiting import until
from test_faults import LONG, MORE, SOME, Brokers, long, told

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def play(realm, fault, name):
    purses = realm.purses()
    with realm.load(purses) as load:
        load.heard(SOME)
        at = time.monotonic()
        fault()
        told(name, load.serves_again(since=at))
        load.heard(MORE)
        load.end()
    assert_whole(load)
    return load


@long
def test_one_server_is_killed_and_started():
    """Its own file has everything that was acknowledged: nothing needs to be put back."""
    with Single() as fleet, Brokers(fleet) as realm:
        def again():
            fleet.master.kill()
            fleet.master.start()
        play(realm, again, "kill -9 of the only server")


def test_one_server_comes_back_with_nothing():
    """Its disk is lost: all of it is put back from the journals."""
    import os
    import shutil
    with Single() as fleet, Brokers(fleet) as realm:
        def empty():
            fleet.master.kill()
            shutil.rmtree(os.path.join(fleet.master.dir, "appendonlydir"))
            fleet.master.start()
        play(realm, empty, "a server without its files")


@long
def test_sentinel_promotes_another():
    with Sentinel() as fleet, Brokers(fleet) as realm:
        def kill():
            master = fleet.master
            master.kill()
            fleet.promoted(master)
            master.start()
        play(realm, kill, "Sentinel's failover")


@long
def test_sentinel_replaces_a_master_that_stands_still_and_wakes_up():
    with Sentinel() as fleet, Brokers(fleet) as realm:
        def still():
            master = fleet.master
            master.stand_still()
            fleet.promoted(master)
            master.go_on()
        play(realm, still, "a master that stood still under Sentinel")


# --- servers that must not be used ---

@pytest.mark.parametrize("setting, value, words", [("maxmemory-policy", "allkeys-lru", "maxmemory-policy"),
                                                   pytest.param("appendonly", "no", "appendonly", marks=long),
                                                   pytest.param("appendfsync", "everysec", "appendfsync", marks=long)])
def test_refused_at_connect(setting, value, words):
    """The broker says which setting of which server is wrong, and serves nobody from it."""
    with Single(options={setting: value}) as fleet:
        try:
            realm = Brokers(fleet, n=1, settle=False)
        except RuntimeError as error:            # what the broker said when it did not start
            said = str(error)
        else:
            with realm:
                said = str(store_of(realm.brokers[0])) + realm.brokers[0].log()
                assert "Unavailable" in str(realm.brokers[0].service.fails("Factors.Begin", account="x", kind="totp", proof="p"))
        assert words in said and fleet.master.ip in said, said


@pytest.mark.parametrize("setting, value, word", [("appendonly", "no", "no-persistence"), ("appendfsync", "everysec", "everysec")])
def test_accepted_by_an_explicit_word_and_shown(setting, value, word):
    with Single(options={setting: value}) as fleet, Brokers(fleet, n=1, more=f"weaker {word}") as realm:
        person = realm.brokers[0].person()
        assert person.spend(person.session())["outcome"] == "permit"
        assert word in store_of(realm.brokers[0])["weaker"]


def test_a_server_that_becomes_unusable_while_it_serves():
    """Somebody sets an eviction policy later: at the next connection at the latest it is refused, and served again when it is mended."""
    with Single() as fleet, Brokers(fleet, n=1) as realm:
        person = realm.brokers[0].person()
        session = person.session()
        assert person.spend(session)["outcome"] == "permit"
        with fleet.master.connection() as redis:
            redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        until(lambda: not store_of(realm.brokers[0])["fresh"], "the broker to refuse the server")
        until(lambda: "maxmemory-policy" in str(store_of(realm.brokers[0])), "status to say why")
        fleet.master.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        until(lambda: store_of(realm.brokers[0])["fresh"], "the broker to come back")
        assert person.spend(session)["outcome"] == "permit"


# --- what a connection is answered ---

def test_answers_keep_their_order_where_no_account_is_remembered():
    """What is asked behind an account that has to be loaded goes on; its answer waits for its turn."""
    with Single() as fleet, Brokers(fleet, n=1) as realm:
        broker, = realm.brokers
        known = []
        for _ in range(6):
            person = broker.person()
            session, payment = person.session(), person.payment()
            asked = broker.service.call("Payments.Authorize", session=session, payment=payment)
            person.confirm(asked["challenge"]["id"])
            permit = broker.service.call("Payments.Authorize", session=session, payment=payment)
            known.append((person.account, payment["id"], permit["hold"]["id"]))
        broker.kill()
        broker.start()
        client = broker.connect()
        for account, payment, _ in known:
            client.send("Payments.Get", account=account, payment=payment)
            client.send("Payments.Get", account=account, payment="never-asked-for")
            client.send("org.varlink.service.GetInfo")
        for _, _, hold in known:
            assert client.receive()["hold"]["id"] == hold
            assert client.read()["error"].endswith(".NotFound")
            assert "vendor" in client.receive()
