# SPDX-License-Identifier: Apache-2.0
"""A plugin that was built when version 1 of the interface was first given out still loads, and does what it did."""

import os
import platform
import shutil
import subprocess

import pytest

from worker_process import BUILD, Refused, now_ms

SOURCE = os.environ.get("CS_SRCDIR", os.getcwd())


@pytest.fixture(params=["binary", "rebuilt"])
def old(request, tmp_path):
    """Its path without ".so": in a folder where nobody else may write."""
    binary = os.path.join(SOURCE, "tests", "abi", "old-x86_64.so")
    rebuilt = os.path.join(BUILD, "tests", "abi", ".libs", "old.so")
    if request.param == "binary" and platform.machine() != "x86_64":
        pytest.skip("the binary is for x86-64")
    if request.param == "rebuilt" and not os.path.exists(rebuilt):
        pytest.skip("tests/abi/old.la was not built")
    path = tmp_path / "old.so"
    shutil.copyfile(binary if request.param == "binary" else rebuilt, path)
    path.chmod(0o644)
    return str(path)[:-3]


def test_it_serves_as_a_provider(old, start_worker):
    connection = start_worker(old, "provider").connect()
    said = connection.call("Describe", request="r1", deadline_ms=1000)
    assert (said["name"], said["kinds"], said["stable_subject"]) == ("old", ["provider", "factor"], True)
    assert not any(said[later] for later in ("code_alone", "signals", "polls", "streams", "rekeys", "begins", "tells"))
    assert "code_parameter" not in said
    got = connection.call("Identify", request="r1", deadline_ms=1000, nonce="n", client_ids=["web"], id_token="alice",
                          now_ms=now_ms())
    assert (got["issuer"], got["subject"], got["audience"], got["nonce"]) == ("https://old.test", "alice", "web", "n")
    assert not {"was_issuer", "was_subject", "evidence"} & set(got)
    url = connection.call("AuthorizationUrl", request="r1", deadline_ms=1000, state="s", nonce="n", code_challenge="c",
                          redirect_uri="https://x.test/", client_id="web")
    assert url["url"] == "https://x.test/"


def test_what_came_later_it_does_not_have(old, start_worker):
    connection = start_worker(old, "provider").connect()
    with pytest.raises(Refused) as refused:
        connection.call("Poll", request="r1", deadline_ms=1000, taken=[], refused=[], now_ms=now_ms())
    assert (refused.value.error, refused.value.reason) == ("Failed", "invalid")
    with pytest.raises(Refused) as refused:
        connection.call("CheckToken", request="r1", deadline_ms=1000, token="t", scheme="Bearer", method="POST",
                        url="https://x.test/", now_ms=now_ms())
    assert refused.value.error == "MethodNotFound"


def test_it_serves_as_a_factor(old, start_worker):
    connection = start_worker(old, "factor").connect()
    begun = connection.call("Enrol", request="r1", deadline_ms=1000, account_hint="a", issuer="i", now_ms=now_ms())
    assert begun["steps"] == [{"type": "code", "digits": 6}]
    for answer, verdict in (("123456", True), ("1234", False)):
        said = connection.call("Verify", request="r1", deadline_ms=1000, secret=begun["secret"], answer=answer,
                               last_step=4, now_ms=now_ms())
        assert said["verdict"] is verdict


def test_it_is_described(old):
    said = subprocess.run([os.path.join(BUILD, "countersign-worker"), "--check", old + ".so"], capture_output=True,
                          text=True, check=True)
    assert '"name":"old"' in said.stdout and '"signals":false' in said.stdout
