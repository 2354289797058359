# SPDX-License-Identifier: Apache-2.0
"""A running broker's store moves into a cluster, one of whose masters dies meanwhile; two brokers go on with it."""
import json
import os
import shutil
import subprocess

import pytest

from harness import BUILD, Broker
from servers import Cluster, missing

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
