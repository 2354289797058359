# SPDX-License-Identifier: Apache-2.0
"""Where the built programs are, and a way to run countersignctl against a daemon that is a script."""
import os
import pathlib
import subprocess

import pytest

from fake_broker import FakeBroker


@pytest.fixture(scope="session")
def source():
    return pathlib.Path(os.environ.get("CS_SRCDIR", pathlib.Path(__file__).parents[2]))


@pytest.fixture(scope="session")
def build():
    return pathlib.Path(os.environ.get("CS_BUILDDIR", "."))


@pytest.fixture(scope="session")
def run(build):
    """run(arguments...) -> CompletedProcess. Times are shown eight hours east of UTC."""
    def call(*args, **environment):
        env = {"PATH": os.environ["PATH"], "TZ": "XXX-8", "LC_ALL": "C.UTF-8", **environment}
        return subprocess.run([build / "countersignctl", *args], capture_output=True, text=True, env=env, timeout=20,
                              errors="surrogateescape", stdin=subprocess.DEVNULL)
    return call


@pytest.fixture(scope="session")
def ask(run):
    """ask(answers, arguments...) -> CompletedProcess, with .calls: what the daemon was asked."""
    def call(answers, *args, **environment):
        with FakeBroker(answers) as broker:
            done = run("--socket", broker.path, *args, **environment)
            done.calls = broker.calls
        return done
    return call
