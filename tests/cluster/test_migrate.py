# SPDX-License-Identifier: Apache-2.0
"""What an admin does with a shared store: moves one into a cluster, one of whose masters dies meanwhile; forgets a broker, also where none answers."""
import json
import os
import shutil
import subprocess

import pytest

from brokers import Brokers
from harness import BUILD, Broker
from servers import Cluster, Single, missing
from waiting import until

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

CTL = os.path.join(BUILD, "countersignctl")


def ctl(*args):
    return subprocess.run([CTL, *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def shared_config(broker, fleet):
    with open(broker.path("countersign.conf"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    at, = [i for i, line in enumerate(lines) if line.startswith("store ")]
    lines[at] = "store redis { cluster " + " ".join(f'"{a}"' for a in fleet.addresses) + ' name "one" }'
    with open(broker.path("shared.conf"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return broker.path("shared.conf")


def test_into_a_cluster_whose_master_dies_meanwhile():
    broker = Broker()
    try:
        with Cluster() as fleet:
            person, other = broker.person(), broker.person()
            spent = person.spend(person.session(), "20.00")
            config = shared_config(broker, fleet)
            move = subprocess.Popen([CTL, "store", "migrate", "--json", "--from", broker.path("state/countersign.db"), "--to", "redis",
                                     "-f", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
            while "caught up" not in (line := move.stdout.readline()):
                assert line, move.stderr.read()
            fleet.servers[0].kill()
            later = other.spend(other.session(), "30.00")
            broker.halt()
            fleet.servers[0].start()
            out, err = move.communicate(timeout=100)
            assert move.returncode == 0, out + err
            assert json.loads(out.splitlines()[-1])["records"] == 3
            shutil.copy(config, broker.path("countersign.conf"))
            broker.start()
            for permit in (spent, later):
                assert broker.service.call("Payments.Release", hold=permit["hold"]["id"])["hold"]["state"] == "released"
            store = broker.admin.call("Admin.Store")["store"]
            assert store["mode"] == "cluster" and store["buckets"]["open"] == 1024 and store["lease"]["fresh"]
            shown = ctl("--socket", broker.path("admin.sock"), "store", "status").stdout
            # Who serves nothing may have been learnt of, or forgotten, between the two answers.
            assert shown.startswith("redis, cluster: ready for ") and all(node["address"] in shown for node in store["nodes"] if node["buckets"]), shown
            done = ctl("store", "check", "-f", config)
            assert done.returncode == 0 and done.stdout.startswith("whole: "), done.stdout + done.stderr
    finally:
        broker.stop()


def members(broker):
    return {member["name"]: member for member in broker.admin.call("Admin.Store")["store"]["members"]}


def buckets(broker):
    return broker.admin.call("Admin.Store")["store"]["buckets"]


def test_a_broker_that_never_comes_back_is_forgotten():
    """Without the word its journal is waited for after a restart of the server; with it, nobody asks for it any more."""
    with Single() as fleet, Brokers(fleet) as realm:
        stays, lost = realm.brokers
        socket = stays.path("admin.sock")
        assert ctl("--socket", socket, "store", "forget", "b", "too early").returncode == 1
        lost.person()
        lost.kill()
        until(lambda: not members(stays)["b"]["live"], "the other broker to be silent")
        # Said again where not every bucket could hear it in time.
        done = until(lambda: (did := ctl("--socket", socket, "store", "forget", "b", "its disk burnt")).returncode != 4 and did, "a word to be heard")
        assert done.returncode == 0 and done.stdout == "b is forgotten: nothing waits for it any more\n", done.stderr
        assert [e["words"] for e in admin_words(stays, "member_forgotten")] == ["b: its disk burnt"]
        before = buckets(stays)["opened"]
        fleet.servers[0].kill()
        fleet.servers[0].start()
        until(lambda: buckets(stays)["opened"] >= before + 1024 and buckets(stays)["open"] == 1024, "all buckets to be open again")
        until(lambda: "b" not in members(stays), "the forgotten one to be gone")
        done = ctl("store", "check", "-f", stays.path("countersign.conf"))
        assert done.returncode == 0, done.stdout[:3000]


def admin_words(broker, kind):
    rows = ctl("--socket", broker.path("admin.sock"), "events", "--json").stdout.splitlines()
    return [e["json"] for e in map(json.loads, rows) if e["type"] == kind]


def offline(broker, *args):
    return ctl("--socket", broker.path("admin.sock"), "store", *args, "--offline", "-f", broker.path("countersign.conf"))


def test_a_lone_broker_says_whom_it_waits_for_and_the_admin_gets_out():
    """All servers were restarted and the other broker's disk is lost: no broker answers. Nothing of the one that is left is lost."""
    with Single() as fleet, Brokers(fleet) as realm:
        stays, lost = realm.brokers
        person = stays.person()
        spent = person.spend(person.session(), "20.00")
        done = offline(stays, "forget", "b", "too early")
        assert done.returncode == 1 and "b is alive" in done.stderr, done
        lost.person()
        until(lambda: members(stays)["b"]["live"], "both to be alive")
        fleet.kill_all()
        stays.kill()
        lost.kill()
        done = ctl("--socket", stays.path("admin.sock"), "store", "forget", "b", "its disk burnt")
        assert done.returncode == 4 and "say it with --offline" in done.stderr, done
        shutil.rmtree(lost.path("state"))
        fleet.start_all()
        begun = len(stays.log())
        stays.start(wait=False)
        until(lambda: "countersignctl store forget b REASON --offline -f CONF" in stays.log()[begun:], "the waiting broker to say what it waits for")
        assert "1024 buckets wait for the proof of b" in stays.log()[begun:]
        done = offline(stays, "forget", "c", "a slip")
        assert done.returncode == 3 and all(f"{name} (" in done.stderr.partition("there are: ")[2] for name in "ab"), done
        done = offline(stays, "forget", "a", "a slip")
        assert done.returncode == 1 and "nothing waits for a, which has proved itself" in done.stderr, done
        done = offline(stays, "release", "--bucket", "0", "a slip")
        assert done.returncode == 3 and "bucket 0 is not held" in done.stderr, done
        status = json.loads(offline(stays, "status", "--json").stdout)
        assert status["buckets"] == {"open": 0, "new": 0, "shut": 1024, "held": 0, "records_held": 0}
        assert {m["name"]: (m["waited_for"], m["proved"], m["live"]) for m in status["members"]} == {"a": (0, 1024, False), "b": (1024, 0, False)}
        done = offline(stays, "forget", "b", "its disk burnt")
        assert done.returncode == 0 and done.stdout.endswith(" is forgotten in all buckets; 1024 waited for it\n"), done
        stays.started()
        # It serves as soon as its own record can be read; the other parts are opened some at a time.
        until(lambda: buckets(stays)["open"] == 1024, "all buckets to be open")
        assert stays.service.call("Payments.Release", hold=spent["hold"]["id"])["hold"]["state"] == "released"
        until(lambda: "b" not in members(stays), "the forgotten one to be gone")
        status = offline(stays, "status").stdout
        assert "its disk burnt" in status and "forget b (" in status, status
        event, = until(lambda: admin_words(stays, "member_forgotten"), "the word to be an event")
        assert event["words"].startswith(f"b: its disk burnt (offline by uid {os.getuid()} on ") and event["author"] == "admin", event
        assert event["flags"] == ["offline"], event
        words = until(lambda: [w for w in json.loads(offline(stays, "status", "--json").stdout)["words"] if w["told"]], "the word to be marked as told")
        assert [w["time"] for w in words] == [event["said_at"]], (words, event)


def test_offline_words_are_of_the_store_of_this_configuration(tmp_path):
    with Single() as fleet, Brokers(fleet, 1) as realm:
        broker, = realm.brokers
        with open(broker.path("countersign.conf"), encoding="utf-8") as file:
            text = file.read()
        other = tmp_path / "other.conf"
        for old, new, code, why in (('realm "test"', 'realm "another"', 1, "of another key file than"),
                                    (f'prefix "{realm.prefix}"', 'prefix "other"', 1, 'no store under the prefix "other"')):
            assert old in text
            other.write_text(text.replace(old, new))
            done = ctl("store", "forget", "a", "a slip", "--offline", "-f", str(other))
            assert done.returncode == code and why in done.stderr, done
