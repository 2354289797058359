# SPDX-License-Identifier: Apache-2.0
"""The plugin oidc against node's `oidc-provider`, which was written and certified apart from the broker."""

import pytest

import node_provider
from node_provider import SECRET, NodeProvider
from openid_provider import tls
from sign_in import SignIn
from worker_process import Refused, now_ms

pytestmark = pytest.mark.skipif(node_provider.missing() is not None, reason=str(node_provider.missing()))


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    directory = tmp_path_factory.mktemp("node")
    provider = NodeProvider(tls.ensure_certificates(str(directory), "node"))
    yield provider
    provider.stop()


@pytest.fixture
def connect(start_worker, node, tmp_path):
    """A worker for one client; `lines` may name files of `texts` as {name}."""

    def start(client, lines="", **texts):
        paths = {}
        for name, text in texts.items():
            paths[name] = tmp_path / name
            paths[name].write_text(text)
            paths[name].chmod(0o600)
        worker = start_worker("oidc", "provider", f"""
        set issuer "{node.issuer}"
        set client-id "{client}"
        set ca-file "{node.ca}"
        set scope "openid email"
        {lines.format(**paths)}""")
        assert worker.ready, worker.log()
        return worker.connect()

    return start


CLIENTS = {
    "basic": 'set client-secret file "{secret}"',
    "post": 'set client-secret file "{secret}"\nset client-authentication client_secret_post\nset algorithm PS256',
    "jwt": 'set client-key file "{client_key}"\nset client-key-id "client-key-1"\nset algorithm EdDSA',
    "tls": 'set client-authentication tls_client_auth\nset tls-certificate "{certificate}"\n'
           'set tls-key file "{certificate_key}"',
    "public": "set pushed-request never",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_sign_in_of_each_kind_of_client(connect, node, client):
    """Secrets both ways, private_key_jwt, a certificate, none; tokens by ES256, PS256, EdDSA and RS256; pushed requests."""
    connection = connect(client, CLIENTS[client], secret=SECRET, client_key=node.client_key,
                         certificate=node.certificate, certificate_key=node.certificate_key)
    sign_in = SignIn(connection, node, client)
    assert ("request_uri=" in sign_in.url()) == (client != "public")
    got = sign_in.come_back().identify()
    assert (got["issuer"], got["subject"], got["audience"], got["display"]) == (
        node.issuer, "alice", client, "alice@node.test")
    assert got["issued_at"] <= now_ms() + 1000 and now_ms() < got["expires_at"]


def test_code_is_good_once_and_for_its_verifier(connect, node):
    connection = connect("basic", CLIENTS["basic"], secret=SECRET)
    first = SignIn(connection, node, "basic").come_back()
    assert first.identify()["subject"] == "alice"
    assert first.reason() == "bad_code"
    second = SignIn(connection, node, "basic", "bob").come_back()
    assert second.reason(code_verifier=first.verifier) == "bad_code"
    assert SignIn(connection, node, "basic").come_back().reason(nonce="another") == "bad_nonce"


def test_code_of_one_person_in_the_sign_in_of_another(connect, node):
    """Code injection: the verifier is of another sign-in."""
    connection = connect("basic", CLIENTS["basic"], secret=SECRET)
    victim = SignIn(connection, node, "basic", "victim").come_back()
    thief = SignIn(connection, node, "basic", "thief").come_back()
    assert thief.reason(code=victim.came["code"]) == "bad_code"


def test_class_of_sign_in_that_was_asked_for(connect, node):
    connection = connect("basic", CLIENTS["basic"] + '\nset acr "urn:example:two"', secret=SECRET)
    assert SignIn(connection, node, "basic").come_back().identify()["subject"] == "alice"


def test_max_age_is_asked_for_and_checked(connect, node):
    connection = connect("basic", CLIENTS["basic"] + "\nset max-age 300\nset honours-max-age yes", secret=SECRET)
    got = SignIn(connection, node, "basic").come_back().identify()
    assert now_ms() - got["auth_time"] < 300 * 1000


def test_key_that_the_provider_does_not_know(connect, node):
    _, other, _, _ = node_provider.self_signed("stranger")
    connection = connect("jwt", CLIENTS["jwt"] + "\nset client-key-algorithm ES256", client_key=other)
    with pytest.raises(Refused) as refused:
        SignIn(connection, node, "jwt").url()
    assert refused.value.reason == "provider_error"
