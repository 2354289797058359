# SPDX-License-Identifier: Apache-2.0
"""The provider as a transmitter: events in three formats, its stream, pushing and polling, Google's API."""

import base64
import http.server
import json
import ssl
import threading

import pytest

AUTH = {"Authorization": "Bearer stream-token", "Content-Type": "application/json"}


def decoded(token):
    return [json.loads(base64.urlsafe_b64decode(p + "==")) for p in token.split(".")[:2]]


@pytest.fixture
def receiver(provider):
    """An endpoint that takes pushes, with the provider's own certificate."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    directory = provider.ca.rsplit("/", 1)[0]
    context.load_cert_chain(f"{directory}/idp-cert.pem", f"{directory}/idp-key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.got, server.url = got, f"https://127.0.0.1:{server.server_port}/ssf/x"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_event_in_three_formats(provider, rp):
    one = rp.control("signal", event="account-disabled", user="alice", aud="shop", members={"reason": "hijacking"})
    header, claims = decoded(one["set"])
    assert header["typ"] == "secevent+jwt" and header["alg"] == "RS256" and one["body"] == one["set"]
    assert claims["sub_id"] == {"format": "iss_sub", "iss": provider.issuer, "sub": provider.people.subject("alice")}
    assert list(claims["events"].values()) == [{"reason": "hijacking"}] and "sub" not in claims and "exp" not in claims
    google = rp.control("signal", event="sessions-revoked", user="alice", aud="shop", format="google")
    header, claims = decoded(google["set"])
    assert "typ" not in header and claims["iss"] == provider.issuer + "/"
    apple = rp.control("signal", event="consent-revoked", user="alice", aud="shop", format="apple")
    claims = decoded(json.loads(apple["body"])["payload"])[1]
    assert json.loads(claims["events"])["type"] == "consent-revoked" and claims["exp"] == claims["iat"] + 86400
    assert rp.verify(one["set"], "RS256")["jti"] == one["claims"]["jti"]
    changed = rp.control("signal", event="account-disabled", sub="7", aud="shop", overrides={"jti": "j"}, header={"typ": None})
    assert changed["claims"]["jti"] == "j" and "typ" not in changed["header"]


def test_a_stream_is_pushed(provider, rp, receiver):
    wanted = {"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url, "authorization_header": "Bearer x"},
              "events_requested": ["https://schemas.openid.net/secevent/risc/event-type/account-disabled"]}
    assert rp.ask("POST", "/ssf/stream", json.dumps(wanted)).status == 401
    made = rp.ask("POST", "/ssf/stream", json.dumps(wanted), AUTH)
    assert made.status == 201 and "authorization_header" not in made.json()["delivery"]
    assert rp.ask("POST", "/ssf/stream", json.dumps(wanted), AUTH).status == 409
    answer = rp.control("signal", event="account-disabled", user="alice", aud="shop", emit=True)["answer"]
    assert answer["status"] == 202
    path, headers, body = receiver.got[0]
    assert path == "/ssf/x" and headers["Authorization"] == "Bearer x" and headers["Content-Type"] == "application/secevent+jwt"
    id = made.json()["stream_id"]
    assert rp.ask("GET", f"/ssf/stream?stream_id={id}", None, AUTH).json()["stream_id"] == id
    assert rp.ask("DELETE", f"/ssf/stream?stream_id={id}", None, AUTH).status == 204
    assert rp.ask("GET", "/ssf/stream", None, AUTH).json() == []


def test_a_stream_is_polled(rp):
    made = rp.ask("POST", "/ssf/stream", json.dumps({"delivery": {"method": "urn:ietf:rfc:8936"}}), AUTH).json()
    ids = [rp.control("signal", event="account-purged", user="alice", aud="shop", emit=True)["claims"]["jti"] for _ in range(3)]
    assert made["delivery"]["endpoint_url"].endswith("/ssf/poll")
    first = rp.ask("POST", "/ssf/poll", json.dumps({"maxEvents": 2, "returnImmediately": True}), AUTH).json()
    assert list(first["sets"]) == ids[:2] and first["moreAvailable"] is True
    rest = rp.ask("POST", "/ssf/poll", json.dumps({"ack": [ids[0]], "setErrs": {ids[1]: {"err": "invalid_request"}}}), AUTH)
    assert list(rest.json()["sets"]) == ids[2:]
    stands = rp.control("stream")
    assert stands["acknowledged"] == [ids[0]] and list(stands["refused"]) == [ids[1]]


def test_a_token_for_a_secret(rp):
    credentials = base64.b64encode(b"shop:s3cret%2F+%2B%25").decode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = rp.ask("POST", "/ssf/token", "grant_type=client_credentials", {**form, "Authorization": f"Basic {credentials}"})
    assert reply.json()["access_token"] == "stream-token"
    assert rp.ask("POST", "/ssf/token", "grant_type=client_credentials", form).status == 401


def test_googles_stream_needs_its_service_account(rp):
    account = rp.control("service-account")
    assert "PRIVATE KEY" in account["private_key"]
    assert rp.ask("GET", "/v1beta/stream", None, AUTH).status == 401
