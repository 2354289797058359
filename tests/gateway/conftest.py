# SPDX-License-Identifier: Apache-2.0
"""One gateway a file of tests; the engine's answers and memory are fresh for each test."""
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import Gateway  # noqa: E402


@pytest.fixture(scope="module")
def running():
    g = Gateway()
    yield g
    code, log = g.stop()
    assert code == 0, log


@pytest.fixture
def gateway(running):
    running.engine.answers = {}
    running.engine.calls = []
    yield running
    assert running.process.poll() is None, running.log_text()


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


@pytest.fixture
def ask(gateway):
    """ask(method, path, body=None, headers={}, certificate="service") on a connection of its own."""
    def run(method, path, body=None, headers=None, certificate="service"):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        c = gateway.client(certificate)
        c.request(method, path, body, headers)
        answer = Answer(c.getresponse())
        c.close()
        return answer
    return run
