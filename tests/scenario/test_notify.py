# SPDX-License-Identifier: Apache-2.0
"""Notices: what is told, to whom and when; that nobody waits for them; the plugin webhook against a real server."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import select
import ssl
import threading
import time

import pytest

from harness import CALL_S, Broker, _free_port, make_certificate

STACK = """link    required    stepup      factors=1
factor  required    stepup      factors=1
grant   optional    notify      {name}
grant   required    stepup      factors=1 note=liability-contract
spend   optional    notify      {name}
spend   sufficient  allowance
spend   required    stepup      any=totp
"""

BROKER = {
    "extra": 'notify "told" { plugin "misbehave" deadline 3s queue 2 }\n',
    "stack": STACK.format(name="told"),
}


def lost(broker):
    return broker.admin.call("Admin.Status")["counters"]["notices_lost"]


@pytest.mark.parametrize("how", ["crash", "exit", "garbage", "overflow", "nonsense", "refuse", "fail", "lie_request"])
def test_what_is_not_delivered_changes_nothing(broker, person, how):
    before = lost(broker)
    answer = person.authorize(person.session(), person.payment("20.00", payee="!" + how))
    assert answer["outcome"] == "step_up"
    end = time.monotonic() + CALL_S
    while lost(broker) == before:
        assert time.monotonic() < end
        select.select([], [], [], 0.02)


def test_a_hanging_receiver_delays_nobody_and_its_queue_is_bounded(broker, person):
    session, before = person.session(), lost(broker)
    for _ in range(4):
        # One is at the server, two wait, the rest is lost at once.
        answer = person.authorize(session, person.payment("20.00", payee="!hang"))
        assert answer["outcome"] == "step_up"
        broker.service.call("StepUp.Refuse", challenge=answer["challenge"]["id"])
    told, = [p for p in broker.admin.call("Admin.Status")["plugins"] if p["name"] == "told"]
    assert told["busy"] == 1, "nobody waited until it was through"
    assert lost(broker) >= before + 1
    end = time.monotonic() + CALL_S
    while lost(broker) < before + 4:
        assert time.monotonic() < end
        select.select([], [], [], 0.05)
    assert "a notice was lost" in broker.log()


class Receiver:
    """An HTTPS server that keeps what is posted to it, and answers with .status."""

    def __init__(self, directory):
        self.port, self.status, self.body, self.got = _free_port(), 204, b"", []
        self.answered = []
        self.arrived = threading.Condition()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.arrived:
                    receiver.got.append((self.path, dict(self.headers), body))
                    status, answer = receiver.status, receiver.body
                    receiver.answered.append(status)
                    receiver.arrived.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        ca = make_certificate(directory, "hook-ca")
        make_certificate(directory, "hook", ca, server=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(directory, "hook.crt"), os.path.join(directory, "hook.key"))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def until(self, what):
        with self.arrived:
            assert self.arrived.wait_for(what, CALL_S), self.got

    def wait(self, count):
        self.until(lambda: len(self.got) >= count)
        return self.got[count - 1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    """
    A broker with a webhook, and the receiver: (broker, receiver). Who confirms moves the clock by half a minute, which
    must not make a notice late that is on its way.
    """
    directory = str(tmp_path_factory.mktemp("hook"))
    receiver = Receiver(directory)
    secret = os.path.join(directory, "hook.secret")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write("0123456789abcdef0123456789abcdef\n")
    broker = Broker(stack=STACK.format(name="hook"), extra=f'''notify "hook" {{
    plugin "webhook" deadline 60s
    set url "https://127.0.0.1:{receiver.port}/countersign?shop=1"
    set secret file "{secret}"
    set ca-file "{directory}/hook-ca.crt"
}}
''')
    yield broker, receiver
    log = broker.log()
    assert broker.stop() == 0, log
    receiver.stop()


def test_the_webhook_posts_and_signs(hooked):
    broker, receiver = hooked
    person = broker.person()
    before = len(receiver.got)
    person.spend(person.session(), "20.00")
    path, headers, body = receiver.wait(before + 2)
    notice = json.loads(body)
    assert path == "/countersign?shop=1" and headers["Content-Type"] == "application/json"
    assert notice["outcome"] == "permit" and notice["id"] == headers["webhook-id"]
    assert abs(int(headers["webhook-timestamp"]) - broker.clock.now_ms() // 1000) <= 60
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(b"0123456789abcdef0123456789abcdef", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert "0123456789abcdef" not in broker.log()


def test_a_payment_is_told_in_steps(hooked):
    broker, receiver = hooked
    person, had = broker.person(), len(receiver.got)
    session, payment = person.session(), person.payment("20.00", payee='m"<7>\\')
    asked = person.authorize(session, payment)
    person.confirm(asked["challenge"]["id"])
    permit = person.authorize(session, payment)
    assert permit["outcome"] == "permit"
    # Told once: not for Evaluate, not for the same answer again.
    assert person.authorize(session, payment)["replayed"] is True
    broker.service.call("Payments.Evaluate", session=session, payment=person.payment("20.00"))
    other = broker.person()
    other.authorize(other.session(), other.payment("3.00"))
    first, second, third = (json.loads(body) for _, _, body in (receiver.wait(had + 3), receiver.got[had:])[1])
    assert (first["outcome"], second["outcome"], second["reason"]) == ("step_up", "permit", "countersigned")
    assert second["payment"] == {"id": payment["id"], "amount": "20.00", "currency": "CNY", "payee": 'm"<7>\\'}
    assert (second["service"], second["operation"], second["provider"]) == ("checkout", "spend", "sandbox")
    assert re.fullmatch("[0-9a-f]{32}", second["account"]) and second["account"] == first["account"]
    assert third["account"] != first["account"] and third["payment"]["amount"] == "3.00"
    assert first["id"] != second["id"] and re.fullmatch(r"\d{4}-.*Z", second["time"])
    # Neither what names the person, nor what opens anything.
    text = json.dumps([first, second])
    for secret in (person.account, person.subject, permit["hold"]["id"], asked["challenge"]["id"], session):
        assert secret not in text


def test_what_an_answer_opens_is_told(hooked):
    """An allowance is asked for, and open with the answer: both are outcomes."""
    broker, receiver = hooked
    person, had = broker.person(), len(receiver.got)
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(broker.clock.now_ms() / 1000 + 86400))
    answer = broker.service.call("Allowances.Grant", session=person.session(), kind="allowance", payee="*", currency="CNY",
                                 per_payment="10", per_day="50", total="90", expires_at=expires)
    person.confirm(answer["challenge"]["id"])
    receiver.wait(had + 2)
    notices = [json.loads(body) for _, _, body in receiver.got[had:]]
    assert [(n["operation"], n["outcome"], n["service"]) for n in notices] == [
        ("grant", "step_up", "checkout"), ("grant", "permit", "checkout")]
    assert all("liability-contract" in json.dumps(n["notes"]) for n in notices)


def test_a_receiver_that_is_broken_is_asked_once(hooked):
    broker, receiver = hooked
    person = broker.person()
    receiver.status = 500
    before, had = lost(broker), len(receiver.got)
    assert person.authorize(person.session(), person.payment("20.00"))["outcome"] == "step_up"
    receiver.wait(had + 1)
    end = time.monotonic() + CALL_S
    while lost(broker) == before:
        assert time.monotonic() < end
        select.select([], [], [], 0.02)
    receiver.status = 204
    assert len(receiver.got) == had + 1
