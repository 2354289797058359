# SPDX-License-Identifier: Apache-2.0
"""packaging/quickstart without its installing and building: what it plays, leaves and stops."""
import json
import os
import shutil
import socket
import subprocess
import tempfile

import pytest

from harness import BUILD, SOURCE

PLAY = ["/usr/bin/python3", "-B", os.path.join(SOURCE, "packaging", "story", "play.py")]


def play(*words, **rest):
    return subprocess.run([*PLAY, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **rest)


@pytest.fixture
def directory():
    made = tempfile.mkdtemp(prefix="cs.")
    yield os.path.join(made, "q")
    shutil.rmtree(made)


def test_the_story_goes_as_told():
    done = play("--build", BUILD, "--once")
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
