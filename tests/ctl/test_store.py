# SPDX-License-Identifier: Apache-2.0
"""store status, forget and release, against a daemon that is a script; what they print and what they ask."""
import json

STORE = "org.countersign.Admin.Store"
FORGET = "org.countersign.Admin.StoreForget"
RELEASE = "org.countersign.Admin.StoreRelease"

SHARED = {"kind": "redis", "store": {
    "mode": "cluster",
    "lease": {"fresh": True, "fresh_for_ms": 812, "leads": True, "leader": "shop-1"},
    "nodes": [{"address": "10.0.0.1:6379", "role": "master", "tenure": "a1b2c3d4" + "0" * 32 + ":" + "1" * 40, "buckets": 342, "replicas": 1, "lag_bytes": 0,
               "clock_ms": 1, "memory_bytes": 432013312, "latency_us": 310},
              {"address": "10.0.0.2:6379", "role": "master", "tenure": "0badcafe", "buckets": 682, "replicas": 1, "lag_bytes": 14,
               "clock_ms": -2, "memory_bytes": 1073741824, "latency_us": 290}],
    "members": [{"id": "0011223344556677", "name": "shop-1", "self": True, "live": True, "beat_ms": 120},
                {"id": "8899aabbccddeeff", "name": "shop-2\x1b[31m", "self": False, "live": False, "beat_ms": 4000}],
    "buckets": {"open": 1024, "checking": 0, "waiting": 0, "held": 0, "waits_for": []},
    "journal": {"path": "/var/lib/countersign/journal.db", "entries": 12034, "bytes": 3565158, "oldest": "2026-11-22T09:46:28Z"},
    "weaker": ["appendfsync everysec is accepted: a power cut may lose the last second"],
    "news": {"unknown": 1}}}


def changed(**parts):
    return {"kind": "redis", "store": {**SHARED["store"], **parts}}


def test_status_is_one_line_a_node_and_a_member(ask):
    done = ask({STORE: SHARED}, "store", "status")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0] == "redis, cluster: ready for 812 ms, leads"
    node, = [line for line in lines if "10.0.0.2:6379" in line]
    assert node.split() == ["10.0.0.2:6379", "master", "0badcafe", "682", "1", "14", "B", "-2", "1", "GiB", "290"]
    assert "a1b2c3d4 " in done.stdout and "a1b2c3d40" not in done.stdout
    assert any("shop-1" in line and "0011223344556677" in line for line in lines)
    assert "appendfsync everysec is accepted" in done.stdout
    # What a newer daemon says is shown, and no name drives the terminal.
    assert "unknown" in done.stdout and "\x1b" not in done.stdout


def test_status_says_first_what_keeps_it_from_serving(ask):
    stale = ask({STORE: changed(lease={"fresh": False, "fresh_for_ms": 0, "leads": False})}, "store", "status")
    assert stale.stdout.splitlines()[0] == "redis, cluster: stale, so payments are denied (provider_stale)"
    shut = ask({STORE: changed(buckets={"open": 1000, "checking": 20, "waiting": 3, "held": 1, "waits_for": ["shop-2"]})},
               "store", "status")
    assert shut.stdout.splitlines()[0] == "redis, cluster: not all open for 812 ms, leads; 24 buckets of 1024 are not served"
    assert "shop-2" in shut.stdout


def test_status_as_json_leaves_out_nothing(ask):
    assert json.loads(ask({STORE: SHARED}, "store", "status", "--json").stdout) == SHARED


def test_status_of_a_store_that_nobody_shares(ask):
    done = ask({STORE: {"kind": "sqlite", "store": {"records": 12, "events": 99, "db_bytes": 18197, "narrow_only": False}}},
               "store", "status")
    assert done.stdout.splitlines()[0] == "sqlite: ready" and "17.7 KiB" in done.stdout


def test_forget(ask):
    done = ask({FORGET: {"forgotten": "shop-2"}}, "store", "forget", "shop-2", "its disk burnt")
    assert done.returncode == 0 and done.stdout == "shop-2 is forgotten: nothing waits for it any more\n"
    assert done.calls[0][:2] == (FORGET, {"name": "shop-2", "reason": "its disk burnt"})
    assert ask({}, "store", "forget", "shop-2").returncode == 2


def test_release(ask):
    done = ask({RELEASE: {"released": True}}, "store", "release", "alice", "bob", "compared with the bank")
    assert done.returncode == 0 and done.stdout == "alice released\nbob released\n"
    assert [call[1] for call in done.calls] == [{"account": "alice", "reason": "compared with the bank"},
                                                {"account": "bob", "reason": "compared with the bank"}]
    done = ask({RELEASE: {"released": True}}, "store", "release", "--bucket", "7", "compared")
    assert done.stdout == "bucket 7 released\n" and done.calls[0][1] == {"bucket": 7, "reason": "compared"}
    assert ask({}, "store", "release", "alice").returncode == 2
    assert ask({}, "store", "release", "--bucket", "7", "alice", "why").returncode == 2
