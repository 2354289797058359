# SPDX-License-Identifier: Apache-2.0
"""What an admin does with a shared store: moves one into a cluster, one of whose masters dies meanwhile; forgets a broker."""
import json
import os
import shutil
import subprocess

import pytest

from brokers import Brokers
from harness import BUILD, Broker
from servers import Cluster, Single, missing, until

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
            assert print(shown) or shown.startswith("redis, cluster: ready for ") and all(node["address"] in shown for node in store["nodes"])
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
        done = ctl("--socket", socket, "store", "forget", "b", "its disk burnt")
        assert done.returncode == 0 and done.stdout == "b is forgotten: nothing waits for it any more\n", done.stderr
        events = [e for e in json.loads("[" + ",".join(ctl("--socket", socket, "events", "--json").stdout.splitlines()) + "]")
                  if e["type"] == "member_forgotten"]
        assert [e["json"]["words"] for e in events] == ["b: its disk burnt"]
        before = buckets(stays)["opened"]
        fleet.servers[0].kill()
        fleet.servers[0].start()
        until(lambda: buckets(stays)["opened"] >= before + 1024 and buckets(stays)["open"] == 1024, "all buckets to be open again")
        until(lambda: "b" not in members(stays), "the forgotten one to be gone")
        done = ctl("store", "check", "-f", stays.path("countersign.conf"))
        assert done.returncode == 0, done.stdout[:3000]
