# SPDX-License-Identifier: Apache-2.0
"""The honest provider: discovery, the code flow, its refusals, the control API, the server."""

import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request

import pytest

from idp import start
from relying_party import REDIRECT, RelyingParty, parts

HERE = os.path.dirname(os.path.abspath(__file__))


# Discovery and keys

def test_discovery_names_itself_and_what_it_can_do(provider, rp):
    url = provider.issuer + "/.well-known/openid-configuration"
    with urllib.request.urlopen(url, context=rp.context) as reply:
        document = json.load(reply)
    assert document["issuer"] == provider.issuer
    assert document["jwks_uri"] == provider.issuer + "/jwks"
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
    assert set(document["token_endpoint_auth_methods_supported"]) == {
        "client_secret_basic", "client_secret_post", "none"}


def test_key_set_is_public_and_names_each_key_once(rp):
    keys = rp.keys()
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not any({"d", "p", "q", "k"} & set(key) for key in keys)


# The code flow

@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_code_flow_gives_a_token_that_verifies(provider, rp, alg):
    rp.register(alg=alg)
    fields = rp.authorize().redirect_fields()
    assert fields["state"] == [rp.state] and fields["iss"] == [provider.issuer]
    reply = rp.exchange(fields["code"][0]).json()
    claims = rp.verify(reply["id_token"], alg)
    assert claims["iss"] == provider.issuer and claims["aud"] == rp.client_id
    assert claims["nonce"] == rp.nonce and claims["amr"] == ["pwd"]
    assert claims["iat"] <= provider.clock.now() < claims["exp"]
    assert claims["auth_time"] <= claims["iat"]
    assert claims["email"] == "alice@sandbox.test" and claims["email_verified"] is True
    assert "azp" not in claims
    half = hashlib.sha256(reply["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    user = rp.get("/userinfo", Authorization="Bearer " + reply["access_token"]).json()
    assert user["sub"] == claims["sub"]


def test_subject_is_stable_and_differs_by_user_and_provider(provider, rp, tmp_path):
    def sub(user):
        return rp.control("user", user=user)["claims"]["sub"]
    assert sub("alice") == sub("alice") != sub("bob")
    other = start(tmp_path, name="elsewhere")
    other.stop()
    assert other.people.subject("alice") != sub("alice")


def test_client_may_authenticate_in_the_form(rp):
    reply = rp.exchange(rp.code(), headers={}, client_id=rp.client_id, client_secret=rp.secret)
    assert reply.status == 200


def test_public_client_needs_pkce_alone(rp):
    rp.register(secret="")
    assert rp.exchange(rp.code(), headers={}, client_id=rp.client_id).status == 200


@pytest.mark.parametrize("headers, fields", [
    ({}, {"client_id": "shop"}),
    ({}, {"client_id": "shop", "client_secret": "guess"}),
    ({}, {"client_id": "nobody", "client_secret": "guess"}),
    ({"Authorization": "Basic !"}, {}),
    ({"Authorization": "Bearer x"}, {}),
])
def test_wrong_client_authentication_is_refused(rp, headers, fields):
    reply = rp.exchange(rp.code(), headers=headers, **fields)
    assert reply.status == 401 and reply.json()["error"] == "invalid_client"


def test_code_works_once_and_replay_revokes_the_access_token(rp):
    code = rp.code()
    bearer = "Bearer " + rp.exchange(code).json()["access_token"]
    assert rp.get("/userinfo", Authorization=bearer).status == 200
    again = rp.exchange(code)
    assert again.status == 400 and again.json()["error"] == "invalid_grant"
    assert rp.get("/userinfo", Authorization=bearer).status == 401


def test_code_exchanged_by_many_at_once_works_once(rp):
    code = rp.code()
    statuses = []

    def exchange():
        connection = rp.connect()
        statuses.append(rp.exchange(code, connection=connection).status)
        connection.close()
    threads = [threading.Thread(target=exchange) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 7


def test_code_expires_after_a_minute(rp):
    code = rp.code()
    rp.control("clock", offset_s=60)
    assert rp.exchange(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("changes, error", [
    ({"code_verifier": "w" * 43}, "invalid_grant"),
    ({"code_verifier": "short"}, "invalid_request"),
    ({"redirect_uri": REDIRECT + "/"}, "invalid_grant"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"code_verifier": ["w" * 43, "w" * 43]}, "invalid_request"),
])
def test_wrong_exchange_is_refused(rp, changes, error):
    reply = rp.exchange(rp.code(), **changes)
    assert reply.status == 400 and reply.json()["error"] == error


def test_unknown_code_is_refused(rp):
    assert rp.exchange("guess").json()["error"] == "invalid_grant"


def test_wrong_verifier_spends_the_code(rp):
    code = rp.code()
    assert rp.exchange(code, code_verifier="w" * 43).status == 400
    assert rp.exchange(code).status == 400


def test_code_of_another_client_is_refused_and_stays_good(rp):
    rp.control("client", id="other", redirect_uris=[REDIRECT])
    code = rp.code()
    assert rp.exchange(code, headers={}, client_id="other").json()["error"] == "invalid_grant"
    assert rp.exchange(code).status == 200


@pytest.mark.parametrize("changes, error", [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"scope": "email"}, "invalid_scope"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"login_hint": None}, "login_required"),
    ({"login_hint": "no such/user"}, "access_denied"),
])
def test_wrong_authorization_request_goes_back_as_an_error(provider, rp, changes, error):
    fields = rp.authorize(**changes).redirect_fields()
    assert fields["error"] == [error] and "code" not in fields
    assert fields["state"] == [rp.state] and fields["iss"] == [provider.issuer]


@pytest.mark.parametrize("changes", [
    {"client_id": "nobody"}, {"redirect_uri": "https://thief.example/"}, {"redirect_uri": None},
    {"state": ["a", "b"]}])
def test_unsafe_authorization_request_is_not_redirected(rp, changes):
    answer = rp.authorize(**changes)
    assert answer.status == 400 and "Location" not in answer.headers


def test_page_asks_who_signs_in_and_its_form_gives_a_code(rp):
    answer = rp.authorize(prompt=None, login_hint='"><b>')
    assert answer.status == 200 and b"<label for=\"user\">" in answer.body
    assert b"<b>" not in answer.body
    form = rp.request_fields(prompt=None, login_hint=None, user="bob", decision="sign-in")
    code = rp.post_form("/authorize", form).redirect_fields()["code"][0]
    claims = rp.verify(rp.exchange(code).json()["id_token"])
    assert claims["sub"] == rp.control("user", user="bob")["claims"]["sub"]


def test_cancel_on_the_page_is_access_denied(rp):
    form = rp.request_fields(prompt=None, user="bob", decision="cancel")
    assert rp.post_form("/authorize", form).redirect_fields()["error"] == ["access_denied"]


# The control API

@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_mint_gives_a_token_that_verifies(rp, alg):
    minted = rp.control("mint", user="alice", aud="app", nonce="n", alg=alg)
    claims = rp.verify(minted["id_token"], alg)
    assert claims == minted["claims"] and claims["aud"] == "app" and claims["nonce"] == "n"


def test_mint_overrides_and_drops_claims_and_header_members(rp):
    minted = rp.control("mint", sub="raw", aud=["app", "api"], overrides={"exp": None, "acr": "1"},
                        header={"typ": "x", "kid": None})
    header, claims, _ = parts(minted["id_token"])
    assert claims["sub"] == "raw" and claims["azp"] == "app" and claims["acr"] == "1"
    assert "exp" not in claims and header == {"alg": "ES256", "typ": "x"}


@pytest.mark.parametrize("members", [
    {}, {"aud": "app"}, {"sub": "s"}, {"sub": "s", "user": "u", "aud": "app"},
    {"sub": "s", "aud": "app", "alg": "HS256"}, {"sub": "s", "aud": "app", "corrupt": "nothing"},
    {"sub": "s", "aud": "app", "colour": "red"}, {"sub": 7, "aud": "app"},
    {"sub": "s", "aud": [7]}, {"sub": "s", "aud": "app", "corrupt": "jwks_hang"}])
def test_wrong_mint_is_refused_with_a_reason(rp, members):
    answer = rp.try_control("mint", **members)
    assert answer.status == 400 and answer.json()["error"]


@pytest.mark.parametrize("body", ["", "[]", "{", "[" * 5000, "\ud800"])
def test_body_that_is_no_json_object_is_refused(rp, body):
    json_type = {"Content-Type": "application/json"}
    answer = rp.ask("POST", "/control/mint", body.encode("utf-8", "surrogatepass"), json_type)
    assert answer.status == 400 and answer.json()["error"]


def test_rotation_keeps_the_old_key_published_or_drops_it(rp):
    def mint():
        return rp.control("mint", user="alice", aud="app")["id_token"]
    first = mint()
    rp.control("rotate", alg="ES256")
    second = mint()
    assert parts(first)[0]["kid"] != parts(second)[0]["kid"]
    assert rp.verifies(first) and rp.verifies(second)
    rp.control("rotate", keep_old=False)
    assert not rp.verifies(first) and not rp.verifies(second) and rp.verifies(mint())


def test_rotation_under_the_same_kid(rp):
    token = rp.control("mint", user="alice", aud="app")["id_token"]
    kids = rp.control("rotate", alg="ES256", same_kid=True)["kids"]
    assert kids["ES256"] == parts(token)[0]["kid"] and not rp.verifies(token)


def test_user_claims_can_be_changed(rp):
    rp.control("user", user="bob", claims={"email_verified": False, "email": None})
    claims = rp.control("mint", user="bob", aud="app")["claims"]
    assert claims["email_verified"] is False and "email" not in claims


def test_log_counts_requests_per_path_and_reset_clears_it(rp):
    rp.keys()
    rp.keys()
    log = rp.get("/control/log").json()
    assert log["counts"] == {"/jwks": 2}
    assert log["requests"][0] == {"method": "GET", "path": "/jwks", "status": 200}
    rp.control("reset")
    assert rp.get("/control/log").json()["counts"] == {}


def test_wait_answers_when_the_request_has_arrived(provider, rp):
    assert rp.control("wait", path="/jwks", timeout_ms=0) == {"count": 0, "reached": False}
    result = []
    other = RelyingParty(provider.issuer, provider.ca)
    thread = threading.Thread(target=lambda: result.append(other.control("wait", path="/jwks")))
    thread.start()
    rp.keys()
    thread.join()
    other.close()
    assert result == [{"count": 1, "reached": True}]


def test_reset_forgets_clients_codes_and_clock(rp):
    code = rp.code()
    rp.control("clock", offset_s=1000)
    rp.control("reset")
    shown = rp.get("/control").json()
    assert shown["clients"] == [] and shown["clock"]["offset_s"] == 0 and shown["on"] == {}
    rp.register()
    assert rp.exchange(code).status == 400


def test_control_is_not_for_web_pages(rp):
    assert rp.get("/control", Host="thief.example").status == 403
    simple = rp.ask("POST", "/control/misbehave", "{}", {"Content-Type": "text/plain"})
    assert simple.status == 400


# The server

def test_head_has_the_headers_of_get_and_no_body(rp):
    head, get = rp.ask("HEAD", "/jwks"), rp.get("/jwks")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == str(len(get.body))


def test_connection_is_kept_alive(rp):
    rp.keys()
    before = rp.connection.sock
    assert rp.get("/nowhere").status == 404
    rp.post_form("/token", {})
    rp.keys()
    assert rp.connection.sock is before


@pytest.mark.parametrize("head", [
    b"POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
])
def test_body_that_cannot_be_measured_is_refused_and_the_connection_closed(rp, head):
    with socket.create_connection(("127.0.0.1", int(rp.host.split(":")[1]))) as plain:
        with rp.context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(head)
            reply = b"".join(iter(lambda: secure.recv(4096), b""))
    assert reply.startswith(b"HTTP/1.1 400 ")


def test_silent_and_hanging_peers_hold_up_nobody(provider, rp):
    rp.misbehave(jwks_hang=True)
    silent = [socket.create_connection(("127.0.0.1", provider.port)) for _ in range(20)]
    hanging = [rp.connect() for _ in range(20)]
    for connection in hanging:
        connection.request("GET", "/jwks")
    assert rp.control("wait", path="/jwks", count=20)["reached"]
    assert rp.exchange(rp.code()).status == 200
    rp.misbehave(jwks_hang=False)
    assert [connection.getresponse().status for connection in hanging] == [200] * 20
    for connection in silent + hanging:
        connection.close()


def test_stop_ends_hanging_requests_and_frees_the_port(tmp_path):
    handle = start(tmp_path, clients=[f"shop::{REDIRECT}"])
    party = RelyingParty(handle.issuer, handle.ca)
    party.misbehave(jwks_hang=True, discovery_drip=60000)
    waiting = [party.connect(), party.connect()]
    waiting[0].request("GET", "/jwks")
    waiting[1].request("GET", "/.well-known/openid-configuration")
    assert party.control("wait", path="/jwks")["reached"]
    assert party.control("wait", path="/.well-known/openid-configuration")["reached"]
    assert handle.server.open_connections() == 3
    handle.stop()
    assert handle.server.open_connections() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", handle.port))


def test_command_is_ready_when_it_says_so_and_ends_on_sigterm(tmp_path):
    command = [sys.executable, os.path.join(HERE, "idp.py"), "--dir", str(tmp_path),
               "--client", f"shop::{REDIRECT}"]
    for _ in range(2):  # the second start finds what the first one made
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            said = json.loads(process.stdout.readline())
            assert set(said) == {"issuer", "port", "ca", "control"}
            party = RelyingParty(said["issuer"], said["ca"], secret="")
            kids = {key["kid"] for key in party.keys()}
            assert party.exchange(party.code(), headers={}, client_id="shop").status == 200
            process.send_signal(signal.SIGTERM)
            assert process.stdout.read() == "" and process.wait(10) == 0
            party.close()
    assert kids == stored_kids(tmp_path)
    assert os.stat(tmp_path / "idp-key.pem").st_mode & 0o077 == 0
    assert os.stat(tmp_path / "idp-signing-keys.json").st_mode & 0o077 == 0


def stored_kids(directory):
    stored = json.loads((directory / "idp-signing-keys.json").read_text())
    return {key["kid"] for key in stored["current"] + stored["retired"]}


@pytest.mark.parametrize("arguments, word", [
    (["--listen", "0.0.0.0:0"], "loopback"), (["--listen", "here"], "ADDRESS:PORT"),
    (["--client", "shop"], "ID:SECRET:REDIRECT"), (["--cert", "x"], "together"),
    (["--name", "a b"], "letters")])
def test_wrong_arguments_are_explained(tmp_path, arguments, word):
    command = [sys.executable, os.path.join(HERE, "idp.py"), "--dir", str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode != 0 and word in done.stderr and done.stdout == ""


def test_other_certificate_can_be_given(tmp_path):
    first = start(tmp_path / "a")
    first.stop()
    files = [str(tmp_path / "a" / f) for f in ("idp-cert.pem", "idp-key.pem", "idp-ca.pem")]
    second = start(tmp_path / "b", certificate=files)
    party = RelyingParty(second.issuer, files[2])
    assert len(party.keys()) == 2
    party.close()
    second.stop()
    assert not (tmp_path / "b" / "idp-key.pem").exists()


def test_stranger_does_not_trust_its_certificate(provider):
    with socket.create_connection(("127.0.0.1", provider.port)) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
