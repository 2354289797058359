# SPDX-License-Identifier: Apache-2.0
"""The broker as a transmitter of security events: streams of services, pushed and polled, across failures and restarts."""
import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from harness import RIGHTS, Broker
from test_notify import Receiver

OWN = "https://countersign.example/secevent/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(broker, receiver): checkout is pushed to, market polls."""
    directory = str(tmp_path_factory.mktemp("receiver"))
    receiver = Receiver(directory)
    receiver.status = 202
    receiver.url = f"https://127.0.0.1:{receiver.port}/events"
    broker = Broker(rights={"checkout": RIGHTS + ' signals\n    push "events"', "market": "signals"}, extra=f'''notify "events" {{
    plugin "push" deadline 60s
    set receiver "https://127.0.0.1:{receiver.port}"
    set ca-file "{directory}/hook-ca.crt"
}}
''')
    yield broker, receiver
    assert broker.stop() == 0, broker.log()
    receiver.stop()


@pytest.fixture
def broker(world):
    yield world[0]
    for name in ("checkout", "market"):
        _, streams = ask(world[0], "GET", "/signals/stream", certificate=name)
        for stream in streams:
            assert ask(world[0], "DELETE", f"/signals/stream?stream_id={stream['stream_id']}", certificate=name)[0] == 204


@pytest.fixture
def receiver(world):
    world[1].status = 202
    with world[1].arrived:
        world[1].got.clear()
        world[1].answered.clear()
    return world[1]


def ask(broker, method, path, body=None, certificate="checkout"):
    status, _, text = broker.web(method, path, body, certificate)
    return status, json.loads(text) if text else None


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims(broker, token):
    """The claims of a token that the broker's published key signed, for what it is."""
    head, body, signature = token.split(".")
    header = json.loads(unpadded(head))
    assert header["typ"] == "secevent+jwt" and header["alg"] == "ES256"
    key, = [k for k in ask(broker, "GET", "/.well-known/jwks.json")[1]["keys"] if k["kid"] == header["kid"]]
    x, y = (int.from_bytes(unpadded(key[n]), "big") for n in "xy")
    raw = unpadded(signature)
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    got = json.loads(unpadded(body))
    assert got["iss"] == broker.url and "sub" not in got and "exp" not in got and len(got["events"]) == 1
    return got


def create(broker, certificate="checkout", **wanted):
    status, stream = ask(broker, "POST", "/signals/stream", wanted, certificate)
    assert status == 201, stream
    return stream


def create_push(broker, receiver, **wanted):
    return create(broker, delivery={"method": PUSH, "endpoint_url": receiver.url, "authorization_header": "Bearer let-me-in"},
                  **{"events_requested": [OWN + "link-suspended"], **wanted})


def suspend(broker, person):
    broker.service.call("Links.Suspend", link=person.link_id)


def suspend_all(broker, people):
    for person in people:
        suspend(broker, person)


def tokens(broker, receiver, count):
    """What was pushed, in order of arrival, once so many have come."""
    receiver.wait(count)
    with receiver.arrived:
        return [claims(broker, body.decode()) for _, _, body in receiver.got]


def accounts(sets):
    return [s["sub_id"]["sub"] for s in sets]


def newest(broker):
    """The number of the log's last event."""
    after = 0
    while True:
        page = broker.admin.call("Admin.Events", after=after, limit=1000)
        if page["next"] == after:
            return after
        after = page["next"]


def noted(broker, after):
    """Waits until it is in the log how far a stream has come: within a second of the delivery."""
    log = broker.connect("admin.sock")
    for page in log.watch("Admin.Events", after=after, follow=True):
        if any(e["type"] == "receiver_sent" for e in page["events"]):
            break
    log.close()


def taken(receiver):
    """What the receiver answered 202 to."""
    return [body for (_, _, body), status in zip(receiver.got, receiver.answered) if status == 202]


def test_the_metadata_name_what_there_is(broker):
    status, m = ask(broker, "GET", "/.well-known/ssf-configuration")
    assert status == 200 and m["issuer"] == broker.url and m["delivery_methods_supported"] == [PUSH, POLL]
    assert m["configuration_endpoint"] == broker.url + "/signals/stream"
    assert m["jwks_uri"] == broker.url + "/.well-known/jwks.json" and m["default_subjects"] == "ALL"


def test_a_stream_is_managed(broker, receiver):
    assert ask(broker, "GET", "/signals/stream") == (200, [])
    made = create_push(broker, receiver, description="shop")
    assert made["delivery"] == {"method": PUSH, "endpoint_url": receiver.url} and made["aud"] == "checkout"
    assert made["events_delivered"] == [OWN + "link-suspended"] and RISC + "credential-compromise" in made["events_supported"]
    assert ask(broker, "POST", "/signals/stream", {})[0] == 409
    id = made["stream_id"]
    assert ask(broker, "GET", f"/signals/stream?stream_id={id}") == (200, made)
    assert ask(broker, "GET", "/signals/stream") == (200, [made])
    assert ask(broker, "GET", f"/signals/stream?stream_id={id}", certificate="market")[0] == 404
    changed = ask(broker, "PATCH", "/signals/stream", {"stream_id": id, "events_requested": [OWN + "not-me", "urn:unknown"]})[1]
    assert changed == {**made, "events_requested": [OWN + "not-me"], "events_delivered": [OWN + "not-me"]}
    replaced = ask(broker, "PUT", "/signals/stream", {"stream_id": id})[1]
    assert replaced["delivery"]["method"] == POLL and len(replaced["events_delivered"]) == 5 and "description" not in replaced
    assert ask(broker, "POST", "/signals/status", {"stream_id": id, "status": "paused"})[1]["status"] == "paused"
    assert ask(broker, "GET", f"/signals/status?stream_id={id}")[1] == {"stream_id": id, "status": "paused", "waiting": 0}
    assert ask(broker, "POST", "/signals/status", {"stream_id": id, "status": "tired"})[0] == 400
    assert ask(broker, "DELETE", f"/signals/stream?stream_id={id}")[0] == 204
    assert ask(broker, "DELETE", f"/signals/stream?stream_id={id}")[0] == 404


def test_a_service_does_not_keep_the_broker_s_record_busy(broker):
    """Each change is one of the record, which an admin who freezes a provider needs as well."""
    id = create(broker, "market")["stream_id"]
    answers = (ask(broker, "POST", "/signals/status", {"stream_id": id, "status": status}, "market")[0]
               for status in ["paused", "enabled"] * 200)
    assert next(status for status in answers if status != 200) == 429
    broker.clock.advance(1_000)
    assert ask(broker, "POST", "/signals/status", {"stream_id": id, "status": "enabled"}, "market")[0] == 200
    broker.clock.advance(600_000)


def test_a_long_endpoint_hides_no_admin_s_words(broker, receiver):
    create(broker, delivery={"method": PUSH, "endpoint_url": receiver.url + "/" + 300 * "x"})
    broker.admin.call("Admin.Freeze", scope="provider", target="sandbox", reason="theft")
    provider = next(p for p in broker.admin.call("Admin.Status")["providers"] if p["name"] == "sandbox")
    broker.admin.call("Admin.Thaw", scope="provider", target="sandbox", reason="over")
    assert provider["frozen"] == "theft"


@pytest.mark.parametrize("delivery", [
    {"method": "urn:other"}, {"method": PUSH}, {"method": PUSH, "endpoint_url": "http://127.0.0.1/"},
    {"method": PUSH, "endpoint_url": "https://a.example/\u0001"}, {"method": PUSH, "endpoint_url": "https://a.example/", "x": 1}, {}])
def test_what_cannot_be_a_stream(broker, delivery):
    status, problem = ask(broker, "POST", "/signals/stream", {"delivery": delivery})
    assert status == 400 and problem["field"] == "delivery", problem
    assert ask(broker, "GET", "/signals/stream") == (200, [])


def test_who_has_no_push_and_who_has_no_right(broker):
    status, problem = ask(broker, "POST", "/signals/stream", {"delivery": {"method": PUSH, "endpoint_url": "https://a.example/"}},
                          "market")
    assert status == 400 and "push" in problem["reason"]
    assert ask(broker, "POST", "/signals/poll", {}, certificate=None)[0] == 401


def test_a_suspended_link_is_pushed(broker, receiver, person):
    create_push(broker, receiver)
    suspend(broker, person)
    path, headers, _ = receiver.wait(1)
    assert path == "/events" and headers["Authorization"] == "Bearer let-me-in"
    assert headers["Content-Type"] == "application/secevent+jwt" and headers["Accept"] == "application/json"
    told, = tokens(broker, receiver, 1)
    assert told["aud"] == "checkout" and told["sub_id"] == {"format": "iss_sub", "iss": broker.url, "sub": person.account}
    event = told["events"][OWN + "link-suspended"]
    assert event["link"] == person.link_id and event["provider"] == "sandbox" and event["initiating_entity"] == "user"
    assert abs(event["event_timestamp"] * 1000 - broker.clock.now_ms()) < 60_000
    assert told["jti"].startswith(told["txn"] + ".")


def test_the_header_is_shown_at_its_place_alone(broker, receiver):
    """A change that names no header keeps it for the same endpoint; another endpoint does not get to see it."""
    people = [broker.person() for _ in range(2)]
    id = create_push(broker, receiver)["stream_id"]
    for number, (url, header) in enumerate([(receiver.url, "Bearer let-me-in"), (receiver.url + "/elsewhere", None)]):
        changed = ask(broker, "PATCH", "/signals/stream", {"stream_id": id, "delivery": {"method": PUSH, "endpoint_url": url}})[1]
        assert changed["delivery"]["endpoint_url"] == url
        suspend(broker, people[number])
        receiver.wait(number + 1)
        path, headers, _ = receiver.got[number]
        assert url.endswith(path) and headers.get("Authorization") == header


def test_not_me_is_told_in_three_ways(broker, receiver, person):
    create_push(broker, receiver, events_requested=[OWN + "not-me", RISC + "credential-compromise", CAEP + "session-revoked"])
    broker.service.call("Accounts.ReportNotMe", account=person.account, link=person.link_id)
    told = tokens(broker, receiver, 3)
    assert [next(iter(t["events"])) for t in told][0] == OWN + "not-me"
    assert {next(iter(t["events"])) for t in told} == {OWN + "not-me", RISC + "credential-compromise", CAEP + "session-revoked"}
    assert len({t["jti"] for t in told}) == 3 and len({t["txn"] for t in told}) == 1
    assert next(t for t in told if RISC + "credential-compromise" in t["events"])["events"][RISC + "credential-compromise"]["credential_type"]


def test_a_receiver_that_fails_is_tried_again_in_order(broker, receiver):
    people = [broker.person() for _ in range(3)]
    receiver.status = 503
    create_push(broker, receiver)
    suspend_all(broker, people)
    receiver.wait(1)
    broker.clock.advance(1_000)
    receiver.wait(2)
    receiver.status = 202
    broker.clock.advance(2_000)
    told = tokens(broker, receiver, 5)
    assert accounts(told) == [people[0].account] * 3 + [p.account for p in people[1:]]
    assert len({t["jti"] for t in told}) == 3
    assert "it is tried again" in broker.log()


def test_what_a_receiver_refuses_for_good_is_not_told_again(broker, receiver):
    people = [broker.person() for _ in range(2)]
    receiver.status, receiver.body = 400, b'{"err":"invalid_request","description":"no"}'
    create_push(broker, receiver)
    suspend(broker, people[0])
    receiver.wait(1)
    receiver.status, receiver.body = 202, b""
    suspend(broker, people[1])
    assert accounts(tokens(broker, receiver, 2)) == [p.account for p in people]
    broker.clock.advance(3_600_000)
    assert "a service refused a security event" in broker.log()
    assert len(receiver.got) == 2


def test_nothing_is_lost_by_a_restart_in_between(broker, receiver):
    people = [broker.person() for _ in range(3)]
    create_push(broker, receiver)
    after = newest(broker)
    suspend(broker, people[0])
    receiver.wait(1)
    receiver.status = 500
    suspend_all(broker, people[1:])
    receiver.wait(2)
    noted(broker, after)
    broker.kill()
    receiver.status = 202
    broker.start()
    receiver.until(lambda: len(taken(receiver)) == 3)
    told = [claims(broker, body.decode()) for body in taken(receiver)]
    assert accounts(told) == [p.account for p in people]
    # What came twice is the same event.
    assert len({claims(broker, body.decode())["jti"] for _, _, body in receiver.got}) == 3


def poll(broker, **body):
    status, answer = ask(broker, "POST", "/signals/poll", body, "market")
    assert status == 200, answer
    return answer


def test_a_stream_is_polled_and_acknowledged(broker):
    people = [broker.person() for _ in range(3)]
    create(broker, "market", events_requested=[OWN + "link-suspended"])
    suspend_all(broker, people)
    first = poll(broker, maxEvents=2, returnImmediately=True)
    assert first["moreAvailable"] is True and accounts(claims(broker, t) for t in first["sets"].values()) == [p.account for p in people[:2]]
    assert all(claims(broker, t)["jti"] == jti and claims(broker, t)["aud"] == "market" for jti, t in first["sets"].items())
    assert list(poll(broker, maxEvents=2)["sets"]) == list(first["sets"])
    ids = list(first["sets"])
    rest = poll(broker, ack=ids[:1], setErrs={ids[1]: {"err": "invalid_request", "description": "no"}})
    assert accounts(claims(broker, t) for t in rest["sets"].values()) == [people[2].account] and rest["moreAvailable"] is False
    assert poll(broker, maxEvents=0, ack=list(rest["sets"])) == {"sets": {}, "moreAvailable": False}
    assert poll(broker, ack=["unknown"]) == {"sets": {}, "moreAvailable": False}


def test_what_was_not_acknowledged_comes_again_after_a_restart(broker):
    people = [broker.person() for _ in range(2)]
    create(broker, "market", events_requested=[OWN + "link-suspended"])
    suspend_all(broker, people)
    ids = list(poll(broker)["sets"])
    broker.kill()
    broker.start()
    assert list(poll(broker)["sets"]) == ids
    after = newest(broker)
    assert poll(broker, ack=ids)["sets"] == {}
    noted(broker, after)
    broker.kill()
    broker.start()
    assert poll(broker)["sets"] == {}


def test_a_pushed_stream_is_not_polled(broker, receiver):
    create_push(broker, receiver)
    assert ask(broker, "POST", "/signals/poll", {})[0] == 409


def test_paused_keeps_and_disabled_forgets(broker):
    people = [broker.person() for _ in range(3)]
    id = create(broker, "market", events_requested=[OWN + "link-suspended"])["stream_id"]

    def set_status(status):
        assert ask(broker, "POST", "/signals/status", {"stream_id": id, "status": status}, "market")[0] == 200
    set_status("paused")
    suspend(broker, people[0])
    assert poll(broker)["sets"] == {}
    set_status("enabled")
    kept = poll(broker)["sets"]
    assert accounts(claims(broker, t) for t in kept.values()) == [people[0].account]
    set_status("disabled")
    suspend(broker, people[1])
    set_status("enabled")
    suspend(broker, people[2])
    assert accounts(claims(broker, t) for t in poll(broker, ack=list(kept))["sets"].values()) == [people[2].account]


def test_a_stream_is_verified(broker, receiver):
    id = create_push(broker, receiver)["stream_id"]
    assert ask(broker, "POST", "/signals/verify", {"stream_id": id, "state": "abc"})[0] == 204
    told, = tokens(broker, receiver, 1)
    assert told["sub_id"] == {"format": "opaque", "id": id} and told["events"] == {VERIFICATION: {"state": "abc"}}
    assert ask(broker, "POST", "/signals/verify", {"stream_id": id})[0] == 429
    broker.clock.advance(61_000)
    assert ask(broker, "POST", "/signals/verify", {"stream_id": id})[0] == 204
    assert tokens(broker, receiver, 2)[1]["events"] == {VERIFICATION: {}}


def test_the_header_is_in_no_log_and_not_in_the_store_in_the_clear(broker, receiver, person):
    create_push(broker, receiver)
    suspend(broker, person)
    receiver.wait(1)
    assert "let-me-in" not in broker.log()
    with open(broker.path("state/countersign.db"), "rb") as f:
        stored = f.read()
    try:
        with open(broker.path("state/countersign.db-wal"), "rb") as f:
            stored += f.read()
    except FileNotFoundError:
        pass
    assert b"let-me-in" not in stored
