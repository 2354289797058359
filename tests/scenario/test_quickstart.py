# SPDX-License-Identifier: Apache-2.0
"""packaging/quickstart and try-cluster without their installing and building: what they play, leave and stop."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from harness import BUILD, SOURCE

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server: install redis-server")


def play(*words, program="play.py", **rest):
    command = ["/usr/bin/python3", "-B", os.path.join(SOURCE, "packaging", "story", program), *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **rest)


@pytest.fixture
def directory():
    made = tempfile.mkdtemp(prefix="cs.")
    yield os.path.join(made, "q")
    shutil.rmtree(made)


@pytest.mark.parametrize("store", ["sqlite", pytest.param("redis", marks=needs_redis)])
def test_the_story_goes_as_told(store):
    """On a redis-server too, whose user may do what the example of its settings says, and no more."""
    done = play("--build", BUILD, "--once", "--store", store)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "exactly 10 of 50 were permitted" in done.stdout and "\033" not in done.stdout
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


def test_background_leaves_endpoints_until_stopped(directory):
    assert play("--build", BUILD, "--background", "--dir", directory).returncode == 0
    try:
        with open(os.path.join(directory, "endpoints.json")) as f:
            at = json.load(f)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(at["socket"])
            s.sendall(b'{"method":"org.countersign.Whoami"}\0')
            assert json.loads(s.recv(65536)[:-1])["parameters"]["service"] == "checkout"
        assert all(os.path.exists(at[name]) for name in ("admin_socket", "ca", "client_cert", "client_key"))
        again = play("--build", BUILD, "--background", "--dir", directory)
        assert again.returncode == 1 and "--stop" in again.stderr
    finally:
        stopped = play("--stop", "--dir", directory)
    assert stopped.returncode == 0, stopped.stderr
    assert not os.path.exists(f"/proc/{at['pid']}") and not os.path.exists(os.path.join(directory, "endpoints.json"))
    assert play("--stop", "--dir", directory).returncode == 1


def test_stop_ends_nobody_elses_process(directory):
    """The file names a process that is not the one that wrote it: a number that was given again."""
    os.makedirs(directory)
    with open(os.path.join(directory, "endpoints.json"), "w") as f:
        json.dump({"keeper_pid": os.getpid(), "keeper_start": 1, "log": "log"}, f)
    assert play("--stop", "--dir", directory).returncode == 0


@needs_redis
@pytest.mark.skipif("CS_SANITIZED" in os.environ, reason="a cluster and two brokers: without the sanitizers")
def test_what_one_broker_permits_is_there_at_the_other(directory):
    started = play("--build", BUILD, "--background", "--dir", directory, program="cluster.py")
    assert started.returncode == 0, started.stderr
    try:
        paid = play("--pay", "--seconds", "1", "--dir", directory, program="cluster.py")
        assert paid.returncode == 0 and "each is there at another broker" in paid.stdout, paid.stdout + paid.stderr
        with open(os.path.join(directory, "endpoints.json")) as f:
            pids = [broker["pid"] for broker in json.load(f)["brokers"]]
    finally:
        assert play("--stop", "--dir", directory, program="cluster.py").returncode == 0
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


@needs_redis
def test_what_a_script_wrote_is_there_after_a_restart_with_the_settings_of_the_example(directory, monkeypatch):
    """A server whose user default has no rights skips it when it reads its file."""
    monkeypatch.syspath_prepend(os.path.join(SOURCE, "packaging", "story"))
    from fleet import Fleet
    fleet = Fleet(directory, os.path.dirname(directory))
    try:
        fleet.start()
        fleet.servers[0].ask("EVAL", "redis.call('SET', 'a', 1) return redis.call('SET', 'b', 2)", "0")
        fleet.stop()
        fleet.start()
        assert fleet.servers[0].ask("DBSIZE").strip() == "2"
    finally:
        fleet.stop()


def test_the_page_shows_the_rule_that_is_tried_here():
    def rule(*names):
        with open(os.path.join(SOURCE, *names)) as f:
            return [line for line in f if line.startswith("user countersign ")]
    shown, = rule("doc", "shared-store.md")
    assert [shown] == rule("packaging", "examples", "redis", "redis.conf")
    with open(os.path.join(SOURCE, "broker", "store", "redis", "fleet.c")) as f:
        told = "".join(re.findall(r'"(.*)"', f.read().split("fleet_acl_rules(void)")[1].split("}")[0]))
    assert shown.rstrip().endswith(" " + told), told
