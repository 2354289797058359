# SPDX-License-Identifier: Apache-2.0
"""The plugin oidc against Debian's Glewlwyd, a provider in C by other hands."""

import pytest

import glewlwyd
from glewlwyd import CLIENT, SECRET, Glewlwyd
from openid_provider import tls
from sign_in import SignIn
from worker_process import now_ms

pytestmark = pytest.mark.skipif(glewlwyd.missing() is not None, reason=str(glewlwyd.missing()))


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    directory = tmp_path_factory.mktemp("glewlwyd")
    running = Glewlwyd(directory, tls.ensure_certificates(str(directory), "glewlwyd"))
    yield running
    running.stop()


@pytest.fixture
def connect(start_worker, provider, tmp_path):
    """A worker, with more lines in its block."""

    def start(lines=""):
        secret = tmp_path / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        worker = start_worker("oidc", "provider", f"""
        set issuer "{provider.issuer}"
        set client-id "{CLIENT}"
        set client-secret file "{secret}"
        set ca-file "{provider.ca}"
        {lines}""")
        assert worker.ready, worker.log()
        return worker.connect()

    return start


@pytest.mark.parametrize("lines,pushed", [
    ("", True), ("set pushed-request never", False), ("set client-authentication client_secret_post", True)])
def test_sign_in(connect, provider, lines, pushed):
    sign_in = SignIn(connect(lines), provider, CLIENT)
    assert ("request_uri=" in sign_in.url()) == pushed
    got = sign_in.come_back().identify()
    assert (got["issuer"], got["audience"]) == (provider.issuer, CLIENT)
    assert got["subject"] and now_ms() < got["expires_at"]


def test_two_people_are_two_subjects_and_one_is_the_same_each_time(connect, provider):
    connection = connect()
    subjects = [SignIn(connection, provider, CLIENT, user).come_back().identify()["subject"]
                for user in ("alice", "bob", "alice")]
    assert subjects[0] == subjects[2] != subjects[1]


def test_code_is_good_once_and_for_its_verifier(connect, provider):
    connection = connect()
    first = SignIn(connection, provider, CLIENT).come_back()
    assert first.identify()["subject"]
    # Its word for a code that is not good is not RFC 6749's invalid_grant: refused all the same, with less to say.
    refused = ("bad_code", "provider_error")
    assert first.reason() in refused
    second = SignIn(connection, provider, CLIENT, "bob").come_back()
    assert second.reason(code_verifier=first.verifier) in refused


def test_answer_that_names_another_issuer(connect, provider):
    sign_in = SignIn(connect(), provider, CLIENT).come_back()
    assert sign_in.reason(iss="https://other.example") == "bad_issuer"
    assert sign_in.reason(nonce="another") == "bad_nonce"
