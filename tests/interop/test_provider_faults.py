# SPDX-License-Identifier: Apache-2.0
"""A provider whose TLS, keys, clock or speed misbehave: what is refused says why, and what is over harms nobody."""

import datetime
import ipaddress
import socket
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from idp import start
from openid_provider import tls
from relying_party import RelyingParty
from sign_in import answer, exchange, identify, mint


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    handle = start(tmp_path_factory.mktemp("faults"))
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A directory where signing keys are kept from one provider to the next: making them takes long."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def rp(provider):
    party = RelyingParty(provider.issuer, provider.ca)
    party.control("reset")
    party.register()
    yield party
    party.close()


@pytest.fixture
def start_one(start_worker, provider, rp, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(rp.secret + "\n")
    secret.chmod(0o600)

    def one(lines="", **rest):
        worker = start_worker("oidc", "provider", f"""
        set issuer "{provider.issuer}"
        set client-id "{rp.client_id}"
        set client-secret file "{secret}"
        set ca-file "{provider.ca}"
        {lines}""", **{"deadline": "60s", **rest})
        assert worker.ready, worker.log()
        return worker

    return one


# --- TLS ---

def _signed(directory, names, days):
    """(cert, key, ca): a server for these names whose certificate is valid from `days` to the day after."""
    ca_key, ca_cert = tls._make_ca("faults CA")
    key = ec.generate_private_key(ec.SECP256R1())
    from_day = datetime.datetime.utcnow() + datetime.timedelta(days=days)
    cert = (x509.CertificateBuilder().subject_name(tls._name("server")).issuer_name(ca_cert.subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(from_day).not_valid_after(from_day + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False).sign(ca_key, hashes.SHA256()))
    pem = serialization.Encoding.PEM
    paths = [str(directory / name) for name in ("cert", "key", "ca")]
    tls.write_file(paths[0], cert.public_bytes(pem), 0o600)
    tls.write_file(paths[1], key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()), 0o600)
    tls.write_file(paths[2], ca_cert.public_bytes(pem), 0o600)
    return paths


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize("names,days,good", [
    ([LOOPBACK], -0.5, True),
    ([LOOPBACK], -3, False),                              # it ended two days ago
    ([LOOPBACK], 2, False),                               # it begins the day after tomorrow
    ([x509.DNSName("idp.example")], -0.5, False),         # another server's
    ([x509.DNSName("*")], -0.5, False),
], ids=["good", "expired", "not yet valid", "another name", "any name"])
def test_certificate(start_worker, rp, tmp_path, keys, names, days, good):
    """Its own authority signed each of them, and is trusted."""
    cert, key, ca = _signed(tmp_path, names, days)
    running = start(keys, certificate=(cert, key, ca))
    try:
        party = RelyingParty(running.issuer, ca, rp.client_id)
        worker = start_worker("oidc", "provider", f"""
        set issuer "{running.issuer}"
        set client-id "{rp.client_id}"
        set ca-file "{ca}" """)
        # The token itself would be good.
        token = mint_of(running, party)
        assert answer(identify, worker.connect(), party, id_token=token) == ("good" if good else "unreachable")
        party.close()
    finally:
        running.stop()


def mint_of(running, party):
    """A token of a provider that no client can speak to: its control API without TLS in between."""
    from openid_provider import control

    class Request:
        def json(self):
            return {"user": "alice", "aud": party.client_id, "nonce": party.nonce}

    return control.mint(running, Request())["id_token"]


class Odd:
    """A server that does one thing to whoever connects."""

    def __init__(self, act):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.act = self.listener.getsockname()[1], act
        self.kept = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.act(connection)
            except OSError:
                pass
            self.kept.append(connection)

    def stop(self):
        self.listener.close()
        for connection in self.kept:
            connection.close()


def _hang_up(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def _old_tls(connection):
    """A server hello of TLS 1.0."""
    connection.recv(4096)
    hello = b"\x02\x00\x00\x26\x03\x01" + bytes(32) + b"\x00\xc0\x13\x00"
    connection.sendall(b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello)


ODD = {
    "speaks plain HTTP": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "hangs up in the handshake": _hang_up,
    "speaks TLS 1.0 only": _old_tls,
    "talks nonsense": lambda c: c.sendall(bytes(range(256))),
}


@pytest.mark.parametrize("how", ODD)
def test_server_that(start_worker, rp, provider, how):
    odd = Odd(ODD[how])
    try:
        worker = start_worker("oidc", "provider", f"""
        set issuer "https://127.0.0.1:{odd.port}"
        set client-id "{rp.client_id}"
        set ca-file "{provider.ca}" """)
        token = mint(rp, overrides={"iss": f"https://127.0.0.1:{odd.port}"})
        connection = worker.connect()
        assert answer(identify, connection, rp, id_token=token) == "unreachable"
        assert answer(identify, connection, rp, id_token=token) == "unreachable"
    finally:
        odd.stop()


def test_server_that_never_shakes_hands_costs_one_deadline(start_worker, rp, provider):
    odd = Odd(lambda connection: None)
    try:
        worker = start_worker("oidc", "provider", f"""
        set issuer "https://127.0.0.1:{odd.port}"
        set client-id "{rp.client_id}"
        set ca-file "{provider.ca}" """)
        token = mint(rp, overrides={"iss": f"https://127.0.0.1:{odd.port}"})
        connection = worker.connect()
        assert answer(identify, connection, rp, id_token=token, deadline_ms=400) == "too_late"
        assert "killed" not in worker.log()
    finally:
        odd.stop()


# --- keys ---

def test_keys_that_were_fetched_serve_while_the_provider_is_away(start_one, rp):
    connection = start_one().connect()
    assert answer(identify, connection, rp, id_token=mint(rp)) == "good"
    rp.misbehave(jwks_500=True, discovery_hang=True)
    for _ in range(5):
        assert answer(identify, connection, rp, id_token=mint(rp)) == "good"
    # A code needs the token endpoint alone, whose address is known.
    assert answer(exchange, connection, rp) == "good"


def test_rotation_while_keys_cannot_be_had_is_told_as_such(start_one, rp):
    connection = start_one("set keys-min-interval 1").connect()
    assert answer(identify, connection, rp, id_token=mint(rp)) == "good"
    rp.misbehave(jwks_close=True)
    rp.control("rotate", keep_old=False)
    assert answer(identify, connection, rp, id_token=mint(rp)) == "unreachable"
    rp.misbehave(jwks_close=False)
    assert answer(identify, connection, rp, id_token=mint(rp)) == "good"


def test_key_set_that_turns_bad_does_not_replace_the_good_one(start_one, rp):
    connection = start_one("set keys-min-interval 1").connect()
    good = mint(rp)
    assert answer(identify, connection, rp, id_token=good) == "good"
    rp.misbehave(jwks_private_keys=True)
    assert answer(identify, connection, rp, id_token=mint(rp, corrupt="unknown_kid")) == "provider_error"
    assert answer(identify, connection, rp, id_token=good) == "good"


# --- clock ---

@pytest.mark.parametrize("offset_s,reason", [
    (8, "good"), (-8, "good"), (60, "not_yet_valid"), (-601 - 60, "expired"), (3600, "not_yet_valid"),
    (-86400, "expired"), (10 * 365 * 86400, "not_yet_valid")])
def test_clock_of_the_provider(start_one, rp, offset_s, reason):
    """Ten seconds of skew are forgiven; a sign-in is ten minutes old at most."""
    connection = start_one().connect()
    rp.control("clock", offset_s=offset_s)
    assert answer(identify, connection, rp, id_token=mint(rp)) == reason
    assert answer(exchange, connection, rp) == reason
    rp.control("clock", offset_s=0)
    assert answer(exchange, connection, rp) == "good"


# --- latency ---

@pytest.mark.parametrize("part", ["discovery", "jwks", "token"])
def test_slow_but_in_time(start_one, rp, part):
    connection = start_one().connect()
    rp.misbehave(**{part + "_slow": 150})
    assert answer(exchange, connection, rp, deadline_ms=10000) == "good"


def test_one_slow_answer_holds_up_nobody_else(start_one, rp):
    """Two servers: while one waits for the provider, the other serves."""
    worker = start_one(servers=2)
    first, second = worker.connect(), worker.connect()
    for connection in (first, second):
        assert answer(identify, connection, rp, id_token=mint(rp)) == "good"
    rp.misbehave(token_hang=True)
    code, said = rp.code(), []
    waiting = threading.Thread(target=lambda: said.append(answer(exchange, first, rp, code)))
    waiting.start()
    # rp's own connection is busy with nothing: the hang is the token endpoint's alone.
    assert rp.control("wait", path="/token", count=1)["reached"]
    assert answer(identify, second, rp, id_token=mint(rp)) == "good"
    rp.misbehave(token_hang=False)
    waiting.join()
    assert said == ["good"]
