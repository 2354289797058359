# SPDX-License-Identifier: Apache-2.0
"""Services known by access tokens: what is none, what is another's, what is bound to another key, and what was used."""
import concurrent.futures
import http.client
import os
import shutil
import ssl
import tempfile

import pytest

from authorization_server import CONFIGURATION, Introspection, Key, Shop, b64
from harness import Broker, make_certificate

WHO = "/v1/accounts/nobody/links"


@pytest.fixture(scope="module")
def introspection():
    directory = tempfile.mkdtemp(prefix="cs.")
    make_certificate(directory, "as", make_certificate(directory, "ca"), server=True)
    with open(os.open(os.path.join(directory, "introspection.secret"), os.O_WRONLY | os.O_CREAT, 0o600), "w",
              encoding="ascii") as f:
        f.write("of the broker\n")
    server = Introspection(os.path.join(directory, "as.crt"), os.path.join(directory, "as.key"))
    server.directory = directory
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def running(introspection):
    extra = CONFIGURATION.format(issuer="{issuer}", ca="{ca}", introspection=introspection.url,
                                 directory=introspection.directory)
    broker = Broker(extra=extra)
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log
    assert "of the broker" not in log and "eyJ" not in log, "a secret or a token is in the log"


@pytest.fixture
def shop(broker):
    return Shop(broker)


@pytest.fixture(scope="module")
def key():
    return Key()


def refused(answer, reason, error="invalid_token"):
    status, problem, headers = answer
    assert (status, problem.get("reason")) == (401, reason), answer
    assert any(f'error="{error}"' in line for line in headers), headers
    assert any(line.startswith("Bearer realm=") for line in headers) and any("DPoP" in line for line in headers)


def test_who_is_known_by_a_token_is_that_service(broker, shop, key, person):
    """A proof for each call, over all kinds of keys; and the rights are the configuration's, not the token's."""
    for each in (key, Key(kty="OKP", crv="Ed25519"), Key(kty="RSA", size=2048)):
        status, answer, _ = shop.bound(each, f"/v1/accounts/{person.account}/links")
        assert (status, len(answer["links"])) == (200, 1), answer
    assert shop.bound(key)[0] == 404
    status, problem, _ = shop.bound(key, "/v1/links", "POST", {"account": person.account, "provider": "sandbox"})
    assert (status, problem["right"]) == (403, "link")


def test_a_batch_shows_one_proof_for_all_of_its_questions(broker, shop, key, person):
    session = person.session()
    item = {"resource": {"type": "payment", "id": "b-1", "properties": {
        "amount": "1.00", "currency": "CNY", "payee": {"id": "m-7", "name": "Corner Shop"}}}}
    body = {"subject": {"type": "account", "id": person.account, "properties": {"session": session}},
            "action": {"name": "can_spend"}, "evaluations": [item] * 3}
    status, answer, _ = shop.bound(key, "/access/v1/evaluations", "POST", body)
    assert status == 200 and len(answer["evaluations"]) == 3, answer


def test_a_token_bound_to_a_certificate(broker, shop):
    digest = bytes.fromhex(broker.fingerprints["stranger"])
    token = shop.token(cnf={"x5t#S256": b64(digest)})
    assert shop.ask(token, certificate="stranger")[0] == 404
    # Remembered for the certificate that it was shown with, and for no other.
    assert shop.ask(token, certificate="stranger")[0] == 404
    refused(shop.ask(token, certificate="market"), "bad_binding")
    refused(shop.ask(token), "bad_binding")


def test_S18_a_certificate_of_one_service_with_the_token_of_another(broker, shop, key, person):
    """Who shows a token is who the token says: there is no second identity to fall back on."""
    token = shop.token(cnf={"jkt": key.thumbprint})
    path = f"/v1/accounts/{person.account}/links"
    proof = key.proof(token, "GET", broker.url + path, shop.now())
    assert shop.ask(token, proof, path=path, certificate="market")[0] == 200
    refused(shop.ask("rubbish", path=path, certificate="market"), "revoked")


# The last one is three times as long in the form in which its issuer is asked.
@pytest.mark.parametrize("token", ["a\tb", "a\u202eb", "%", 6000 * "/"], ids=["tab", "direction", "percent", "escapes"])
def test_X8_who_shows_rubbish_keeps_no_service_out(broker, shop, key, token):
    """Anybody may do that; the plugin goes on being asked about the others."""
    broker.clock.advance(1_000)
    for _ in range(7):
        assert shop.ask(token.encode().decode("latin-1"))[0] in (401, 503)
    assert shop.bound(key)[0] == 404
    assert not any("rest_ms" in p for p in broker.admin.call("Admin.Status")["plugins"])


@pytest.mark.parametrize("jti", ["a\u202eb", "a\nb", "\u0085"])
def test_X4_whose_proofs_are_called_oddly_keeps_no_service_out(broker, shop, key, jti):
    """Who has a token can choose that name: it is refused, and the plugin is not taken for one that writes garbage."""
    broker.clock.advance(1_000)
    for _ in range(7):
        refused(shop.bound(key, jti=jti), "bad_token")
    assert shop.bound(key)[0] == 404


def test_S18_a_gateway_cannot_name_a_service(broker):
    """It passes on a token that a plugin judges, or a certificate; there is no third way."""
    gateway = broker.gateway()
    asked = {"method": "org.countersign.Whoami", "parameters": {}}
    for token in ({"token": "x", "scheme": "Bearer", "request": 1, "method": "GET", "url": "https://a/"},
                  {"token": "x", "scheme": "Basic", "request": 1, "method": "GET", "url": "https://a/"}):
        answer = gateway.call("org.countersign.Internal.Forward", **asked, token=token)
        assert answer["error"] == "org.countersign.NotAuthenticated", answer
    assert gateway.fails("org.countersign.Internal.Forward", **asked, service="shop").name == "InvalidParameter"


@pytest.mark.parametrize("claims,reason", [
    ({"iss": "https://other.example"}, "bad_issuer"),
    ({"aud": "https://elsewhere.example"}, "bad_audience"),
    ({"aud": None}, "bad_audience"),
    ({"scope": "openid payments"}, "bad_audience"),
    ({"client_id": "nobody-of-ours"}, "unknown_client"),
    ({"client_id": "inside-client"}, "unknown_client"),
    ({"client_id": None}, "bad_token"),
    ({"exp": 1}, "expired"),
    ({"exp": None}, "bad_token"),
    ({"nbf": 32503680000}, "not_yet_valid"),
    ({"cnf": None}, "bad_binding"),
    ({"cnf": {}}, "bad_binding"),
    ({"cnf": {"jwk": {}}}, "bad_binding"),
    ({"nonce": "n"}, "bad_type"),
    ({"events": {}}, "bad_type"),
], ids=str)
def test_X7_tokens_that_are_none(broker, shop, key, claims, reason):
    token = shop.token(**{"cnf": {"jkt": key.thumbprint}, **claims})
    proof = key.proof(token, "GET", broker.url + WHO, shop.now())
    refused(shop.ask(token, proof), reason)


@pytest.mark.parametrize("header,reason", [
    ({"typ": "JWT"}, "bad_type"),
    ({"typ": None}, "bad_type"),
    ({"typ": "logout+jwt"}, "bad_type"),
    ({"typ": "secevent+jwt"}, "bad_type"),
    ({"crit": ["exp"]}, "bad_token"),
    ({"kid": "made-up"}, "bad_key"),
], ids=str)
def test_X7_headers_that_are_not_an_access_tokens(broker, shop, key, header, reason):
    token = shop.token(header, cnf={"jkt": key.thumbprint})
    refused(shop.ask(token, key.proof(token, "GET", broker.url + WHO, shop.now())), reason)


def test_X7_an_id_token_opens_no_door(broker, shop, person):
    begun = person.service.call("Sessions.Begin", provider="sandbox")
    assert shop.ask(broker.provider.token(person.subject, begun["nonce"]))[0] == 401


def test_X7_an_algorithm_that_is_not_allowed(broker, shop, key):
    token = shop.token(alg="RS256", cnf={"jkt": key.thumbprint})
    refused(shop.ask(token, key.proof(token, "GET", broker.url + WHO, shop.now())), "bad_algorithm")


def test_L8_a_stolen_token_without_its_key(broker, shop, key):
    """As a bearer's token, with no proof, with another key's, and with a proof that names the right key and is not signed by it."""
    token = shop.token(cnf={"jkt": key.thumbprint})
    thief = Key()
    refused(shop.ask(token), "bad_binding")
    refused(shop.ask(token, thief.proof(token, "GET", broker.url + WHO, shop.now())), "bad_binding")
    forged = thief.proof(token, "GET", broker.url + WHO, shop.now(), header={"jwk": key.public})
    refused(shop.ask(token, forged), "bad_signature")
    private = dict(key.public, d="AAAA")
    refused(shop.ask(token, key.proof(token, "GET", broker.url + WHO, shop.now(), header={"jwk": private})), "bad_key")


@pytest.mark.parametrize("change,reason", [
    ({"htm": "POST"}, "bad_binding"),
    ({"htu": "https://elsewhere.example/v1/accounts/nobody/links"}, "bad_binding"),
    ({"ath": "x"}, "bad_binding"),
    ({"drop": ["ath"]}, "bad_binding"),
    ({"drop": ["jti"]}, "bad_token"),
    ({"drop": ["iat"]}, "bad_token"),
    ({"header": {"typ": "JWT"}}, "bad_type"),
    ({"header": {"typ": "at+jwt"}}, "bad_type"),
    ({"header": {"jwk": None}}, "bad_key"),
    ({"header": {"crit": ["b64"], "b64": True}}, "bad_token"),
], ids=str)
def test_L8_proofs_for_something_else(broker, shop, key, change, reason):
    refused(shop.bound(key, **change), reason)


def test_L8_a_proof_out_of_its_time(broker, shop, key):
    token = shop.token(cnf={"jkt": key.thumbprint})
    refused(shop.ask(token, key.proof(token, "GET", broker.url + WHO, shop.now() - 61)), "expired")
    refused(shop.ask(token, key.proof(token, "GET", broker.url + WHO, shop.now() + 60)), "not_yet_valid")


def test_L8_a_proof_counts_once(broker, shop, key, log):
    """Also when it comes many times at once; and a restart does not make it new."""
    broker.clock.advance(2000)
    token = shop.token(cnf={"jkt": key.thumbprint})
    proof = key.proof(token, "GET", broker.url + WHO, shop.now())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.ask(token, proof), range(8)))
    assert sorted(status for status, _, _ in answers) == [401] * 7 + [404], answers
    refused(next(a for a in answers if a[0] == 401), "proof_used", "invalid_dpop_proof")
    broker.clock.advance(10_000)
    refused(shop.ask(token, proof), "proof_used", "invalid_dpop_proof")
    late = key.proof(token, "GET", broker.url + WHO, shop.now())
    broker.clock.advance(3000)
    assert broker.halt() == 0
    broker.start()
    refused(shop.ask(token, late), "old_proof", "invalid_dpop_proof")
    broker.clock.advance(2000)
    assert shop.bound(key)[0] == 404


def test_S11_an_authorization_server_that_does_not_answer(broker, shop, introspection):
    introspection.status = 500
    try:
        status, problem, _ = shop.ask("opaque-1")
        assert (status, problem["what"]) == (503, "token")
    finally:
        introspection.status = 200
    assert shop.ask("opaque-1")[0] == 401


def test_L8_a_token_that_was_taken_back(broker, shop, introspection):
    """Its server is asked again after the time that its block says; another's JWT is never shown to it."""
    claims = {"active": True, "client_id": "shop-opaque", "aud": "https://pay.example", "exp": shop.now() + 3600}
    introspection.tokens["opaque-2"] = claims
    assert shop.ask("opaque-2")[0] == 404
    assert shop.ask("opaque-2")[0] == 404
    assert introspection.counts["opaque-2"] == 1
    assert all(line.startswith("Basic ") for line in introspection.shown)
    introspection.tokens["opaque-2"] = {"active": False}
    broker.clock.advance(11_000)
    refused(shop.ask("opaque-2"), "revoked")
    for wrong in ({"active": "true"}, {"active": 1}, {"aud": "x"}, {"exp": None}, {"iss": "https://other.example"}):
        introspection.tokens["opaque-3"] = {k: v for k, v in {**claims, **wrong}.items() if v is not None}
        assert shop.ask("opaque-3")[0] == 401, wrong
    corp = shop.token(iss="https://other.example")
    assert shop.ask(corp)[0] == 401 and corp not in introspection.counts


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic abc", "Bearer a b", "DPoP abc", "bearer" + " " * 3, "Token x"])
def test_X8_headers_that_show_nothing(broker, value):
    status, headers, _ = broker.web("GET", WHO, None, "checkout", {"Authorization": value})
    assert status == 401 and headers.get_all("WWW-Authenticate")


def test_X8_a_header_that_is_given_twice(broker, shop, key):
    context = ssl.create_default_context(cafile=broker.path("ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", broker.port, context=context, timeout=20)
    connection.putrequest("GET", WHO)
    connection.putheader("Authorization", "Bearer " + shop.token())
    connection.putheader("Authorization", "Bearer x")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
