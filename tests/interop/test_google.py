# SPDX-License-Identifier: Apache-2.0
"""The worker with the plugin google against an imitation of Google's endpoints."""

import base64
import urllib.parse

import pytest

from idp import start
from openid_provider import tokens
from openid_provider.google import ISSUER, Google
from relying_party import RelyingParty
from sign_in import answer, authorization_url, exchange, identify, mint

AUTHORIZE = "/o/oauth2/v2/auth"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    handle = start(tmp_path_factory.mktemp("google"), name="gmail", dialect=Google())
    yield handle
    handle.stop()


@pytest.fixture
def rp(provider):
    party = RelyingParty(provider.issuer, provider.ca, "1234.apps.googleusercontent.com", authorize=AUTHORIZE)
    party.control("reset")
    party.register(alg="RS256")
    yield party
    party.close()


@pytest.fixture
def google(start_worker, provider, rp, tmp_path):
    """Starts a worker with more lines in its block; its connection."""
    secret = tmp_path / "secret"
    secret.write_text(rp.secret + "\n")
    secret.chmod(0o600)

    def start_one(lines=""):
        worker = start_worker("google", "provider", f"""
        set client-id "{rp.client_id}"
        set client-secret file "{secret}"
        set ca-file "{provider.ca}"
        set authorization-endpoint "{provider.issuer}{AUTHORIZE}"
        set token-endpoint "{provider.issuer}/token"
        set jwks-uri "{provider.issuer}/oauth2/v3/certs"
        {lines}""")
        assert worker.ready, worker.log()
        return worker.connect()

    return start_one


def test_sign_in_from_url_to_identity(google, rp):
    connection = google()
    url = authorization_url(connection, rp)
    assert url.startswith(rp.issuer + AUTHORIZE + "?") and "hd=" not in url
    came = rp.get(url[len(rp.issuer):] + "&prompt=none&login_hint=alice").redirect_fields()
    got = exchange(connection, rp, came["code"][0], iss=came["iss"][0])
    assert got["issuer"] == ISSUER and got["subject"].isdigit() and len(got["subject"]) == 21
    assert got["audience"] == rp.client_id and got["display"] == "alice@gmail.test"


def test_two_spellings_of_the_issuer_are_one_person(google, rp):
    connection = google()
    subjects = {(got["issuer"], got["subject"]) for got in (
        identify(connection, rp, id_token=mint(rp, alg="RS256", overrides={"iss": iss}))
        for iss in (ISSUER, "accounts.google.com"))}
    assert len(subjects) == 1 and subjects.pop()[0] == ISSUER
    for iss in ("https://accounts.google.com/", "http://accounts.google.com", rp.issuer):
        assert answer(identify, connection, rp, id_token=mint(rp, overrides={"iss": iss})) == "bad_issuer"


def test_answer_of_another_provider_is_refused_before_the_code_goes_anywhere(google, rp):
    assert answer(exchange, google(), rp, iss=rp.issuer) == "bad_issuer"
    assert "/token" not in rp.get("/control/log").json()["counts"]
    # Google did not always name itself there, and nothing promises that it will.
    assert answer(exchange, google(), rp, iss=None) == "good"


def test_people_of_a_domain(google, rp):
    connection = google('set hosted-domain "shop.example"')
    fields = urllib.parse.parse_qs(urllib.parse.urlsplit(authorization_url(connection, rp)).query)
    assert fields["hd"] == ["shop.example"]

    def of(**claims):
        return answer(identify, connection, rp, id_token=mint(rp, overrides=claims))

    assert of(hd="shop.example", email="a@shop.example") == "good"
    # The domain of an address is the person's to choose; `hd` is Google's word.
    assert of(email="a@shop.example") == "bad_token"
    assert of(hd="other.example", email="a@shop.example") == "bad_token"
    assert of(hd=["shop.example"]) == "bad_token"
    assert of(hd="SHOP.example") == "bad_token"


def test_another_algorithm_than_googles(google, rp):
    connection = google()
    assert answer(identify, connection, rp, id_token=mint(rp, corrupt="hs256_public_key")) == "bad_algorithm"
    assert answer(identify, connection, rp, id_token=mint(rp, header={"alg": "ES256"})) == "bad_algorithm"


def test_address_is_vouched_for_where_google_keeps_it(google, rp):
    connection = google()

    def evidence(**claims):
        return identify(connection, rp, id_token=mint(rp, overrides=claims)).get("evidence")

    assert evidence(email="a@gmail.com", email_verified=True) == ["email 0 a@gmail.com"]
    assert evidence(email="a@shop.example", email_verified=True, hd="shop.example") == ["email 0 a@shop.example"]
    assert evidence(email="a@shop.example", email_verified=True) is None
    assert evidence(email="a@gmail.com", email_verified="true") is None
    assert evidence(email="a@evilgmail.com", email_verified=True) is None


def test_googles_refusals(google, rp):
    connection = google()
    assert answer(exchange, connection, rp, "4/made-up", iss=ISSUER) == "bad_code"
    rp.register(alg="RS256", secret="another")
    assert answer(exchange, connection, rp, iss=ISSUER) == "provider_error"


def test_security_event_as_google_sends_it(google, rp, provider):
    """Cross-Account Protection: the other spelling of the issuer, no typ, the subject within the event."""
    key, now = provider.ring.current("RS256"), provider.clock.now()
    event = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
    subject = {"subject_type": "iss-sub", "iss": ISSUER + "/", "sub": "110248495921238986420"}
    claims = {"iss": ISSUER + "/", "aud": rp.client_id, "iat": now, "jti": "e1",
              "events": {event: {"subject": subject, "reason": "hijacking"}}}
    body = tokens.seal(tokens.Draft(provider.dialect.header(key) | {"typ": "secevent+jwt"}, claims, key, provider.ring,
                                    now, sign=key.sign))
    got = google().call("Signal", deadline_ms=60000, request="s1", body=base64.urlsafe_b64encode(
        body.encode()).rstrip(b"=").decode(), content_type="application/secevent+jwt", client_ids=[rp.client_id],
        now_ms=now * 1000)
    assert (got["issuer"], got["id"], got["audience"]) == (ISSUER, "e1", rp.client_id)
    told = got["events"][0]
    assert (told["name"], told["issuer"], told["subject"], told["detail"]) == (
        "account-disabled", ISSUER, subject["sub"], "hijacking")
