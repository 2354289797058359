# SPDX-License-Identifier: Apache-2.0
"""The same calls over HTTPS: by a client certificate, through the gateway, to the same decisions."""
import http.client
import json
import ssl

from harness import RETURN_URL


def ask(broker, method, path, body=None, certificate="checkout"):
    status, _, text = broker.web(method, path, body, certificate)
    return status, json.loads(text) if text else None


def session_over_https(broker, person):
    status, begun = ask(broker, "POST", "/v1/sign-ins", {"provider": "sandbox", "return_url": RETURN_URL})
    assert status == 201, begun
    token = broker.provider.token(person.subject, begun["nonce"])
    status, opened = ask(broker, "POST", "/v1/sessions", {"sign_in": begun["sign_in"], "id_token": token})
    assert (status, opened["outcome"], opened["account"]) == (201, "permit", person.account)
    return opened["session"]


def evaluation(person, session, id="order-1", amount="20.00"):
    return {"subject": {"type": "account", "id": person.account, "properties": {"session": session}},
            "action": {"name": "spend"},
            "resource": {"type": "payment", "id": id, "properties": {
                "amount": amount, "currency": "CNY", "payee": {"id": "m-7", "name": "Corner Shop"}}}}


def test_a_payment_from_sign_in_to_capture(broker, person):
    session = session_over_https(broker, person)
    status, answer = ask(broker, "POST", "/access/v1/evaluation", evaluation(person, session))
    assert (status, answer["decision"], answer["context"]["outcome"]) == (200, False, "step_up")
    challenge = answer["context"]["challenge"]["id"]
    status, shown = ask(broker, "GET", f"/v1/challenges/{challenge}")
    assert (status, shown["card"]["amount"]) == (200, "20.00")
    status, done = ask(broker, "POST", f"/v1/challenges/{challenge}/answers",
                       {"answers": [{"step": shown["steps"][0]["id"], "value": person.totp.code()}]})
    assert (status, done["state"]) == (200, "done")
    status, answer = ask(broker, "POST", "/access/v1/evaluation", evaluation(person, session))
    assert (status, answer["decision"], answer["context"]["reason"]) == (200, True, "countersigned")
    hold = answer["context"]["hold"]["id"]
    status, captured = ask(broker, "POST", f"/v1/holds/{hold}/capture", {"capture_id": "c-1"})
    assert (status, captured["hold"]["state"]) == (200, "captured")


def test_what_is_another_services_does_not_exist(broker, person):
    session = session_over_https(broker, person)
    assert ask(broker, "DELETE", f"/v1/sessions/{session}", certificate="market")[0] == 404
    assert ask(broker, "DELETE", f"/v1/sessions/{session}")[0] == 204
    assert ask(broker, "DELETE", f"/v1/sessions/{session}")[0] == 404


def test_a_session_of_the_socket_is_the_same_services_over_https(broker, person):
    status, answer = ask(broker, "POST", "/access/v1/evaluation", evaluation(person, person.session()))
    assert (status, answer["context"]["outcome"]) == (200, "step_up")


def test_an_unknown_certificate_is_nobody(broker, person):
    status, problem = ask(broker, "GET", f"/v1/accounts/{person.account}/links", certificate="stranger")
    assert status == 401 and problem["status"] == 401


def test_no_certificate_is_nobody(broker, person):
    assert ask(broker, "GET", f"/v1/accounts/{person.account}/links", certificate=None)[0] == 401


def test_links_over_https(broker, nobody):
    nobody.enrol()
    status, begun = ask(broker, "POST", "/v1/links", {"account": nobody.account, "provider": "sandbox", "native": True})
    assert status == 201
    token = broker.provider.token(nobody.subject, begun["nonce"])
    status, proposed = ask(broker, "POST", f"/v1/sign-ins/{begun['sign_in']}/link", {"id_token": token})
    assert (status, proposed["outcome"]) == (200, "step_up")
    nobody.confirm(proposed["challenge"]["id"])
    link = proposed["link"]["id"]
    assert ask(broker, "GET", f"/v1/links/{link}")[1]["link"]["state"] == "active"
    assert ask(broker, "POST", f"/v1/links/{link}/suspension", {})[1]["link"]["state"] == "suspended"
    assert ask(broker, "DELETE", f"/v1/links/{link}/suspension")[1]["outcome"] == "step_up"
    assert ask(broker, "DELETE", f"/v1/links/{link}")[1]["link"]["state"] == "revoked"


def test_a_denial_is_no_error(broker, person):
    person.service.call("Links.Suspend", link=person.link_id)
    _, begun = ask(broker, "POST", "/v1/sign-ins", {"provider": "sandbox"})
    token = broker.provider.token(person.subject, begun["nonce"])
    status, opened = ask(broker, "POST", "/v1/sessions", {"sign_in": begun["sign_in"], "id_token": token})
    assert status in (200, 201) and opened["reason"] == "link_suspended"


def events(broker, challenge, certificate="checkout"):
    """The events of a challenge, one by one, as they come."""
    context = ssl.create_default_context(cafile=broker.path("ca.crt"))
    context.load_cert_chain(broker.path(certificate + ".crt"), broker.path(certificate + ".key"))
    connection = http.client.HTTPSConnection("127.0.0.1", broker.port, context=context, timeout=20)
    connection.request("GET", f"/v1/challenges/{challenge}/events")
    response = connection.getresponse()
    yield response.status
    while response.status == 200:
        line = response.readline()
        if line == b"":
            return
        if line.startswith(b"data: "):
            yield json.loads(line[6:])["state"]


def test_a_service_hears_of_the_answer_while_it_waits(broker, person):
    challenge = person.authorize(person.session(), person.payment())["challenge"]["id"]
    heard = events(broker, challenge)
    assert [next(heard), next(heard)] == [200, "open"]
    person.confirm(challenge)
    assert next(heard) == "done" and list(heard) == []
    assert list(events(broker, challenge)) == [200, "done"]


def test_a_service_hears_that_nobody_answered(broker, person):
    challenge = person.authorize(person.session(), person.payment())["challenge"]["id"]
    heard = events(broker, challenge)
    assert [next(heard), next(heard)] == [200, "open"]
    broker.clock.advance(6 * 60_000)
    assert next(heard) == "expired" and list(heard) == []


def test_another_services_challenge_has_no_events(broker, person):
    challenge = person.authorize(person.session(), person.payment())["challenge"]["id"]
    assert list(events(broker, challenge, "market")) == [404]
    assert list(events(broker, "chal_x")) == [404]
