# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: workers that end with their test, and one OpenID Provider."""

import os
import shutil
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "idp"))

from worker_process import Worker  # noqa: E402


@pytest.fixture
def start_worker():
    """Starts workers in directories with short names: a socket's path has 107 bytes."""
    workers, directories = [], []

    def start(*arguments, **rest):
        directories.append(tempfile.mkdtemp(prefix="cs-"))
        workers.append(Worker(directories[-1], *arguments, **rest))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
    for directory in directories:
        shutil.rmtree(directory)
