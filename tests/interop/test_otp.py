# SPDX-License-Identifier: Apache-2.0
"""The worker with the plugin otp: messages arrive at a mail server and a gateway, and what does not arrive is never a yes."""

import base64
import json
import re
import urllib.parse

import pytest

from sinks import MailSink, SmsGateway, certificates, closed_port
from worker_process import Refused, now_ms

DEADLINE_MS = 2000
CARD = {"service": "Corner Shop", "account_hint": "al***", "what": "payment", "payee": "Noodle Bar 面馆", "payee_id": "m-7",
        "amount": "88.00", "currency": "CNY"}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


CHALLENGE = b64(b"challenge one")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return certificates(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def sink():
    """Makes sinks that end with the test."""
    made = []

    def start(kind, *arguments, **rest):
        made.append(kind(*arguments, **rest))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture
def mail(sink, keys):
    return sink(MailSink, keys.good)


@pytest.fixture
def sms(sink, keys):
    return sink(SmsGateway, keys.good)


def mail_worker(start_worker, keys, url, more=""):
    worker = start_worker("otp", "factor", f"""set channel mail set smtp "{url}" set from "codes@shop.example"
    set from-name "Corner Shop 小店" set ca-file "{keys.ca}" {more}""")
    assert worker.ready, worker.log()
    return worker


def sms_worker(start_worker, keys, url, more=""):
    worker = start_worker("otp", "factor", f'set channel sms set gateway "{url}" set ca-file "{keys.ca}" {more}')
    assert worker.ready, worker.log()
    return worker


def enrol(connection, address, **changes):
    return connection.call("Enrol", **{"deadline_ms": DEADLINE_MS, "request": "r1", "account_hint": "al***", "issuer": "Corner Shop",
                                       "address": address, "language": "en", "now_ms": now_ms(), **changes})


def verify(connection, secret, answer, **more):
    return connection.call("Verify", deadline_ms=DEADLINE_MS, request="r2", secret=secret, answer=answer, last_step=-1,
                           **{"now_ms": now_ms(), **more})


def begin(connection, secret, card=None, **changes):
    return connection.call("Begin", **{"deadline_ms": DEADLINE_MS, "request": "r3", "secret": secret, "challenge": CHALLENGE,
                                       "operation": "spend", "card": json.dumps(card or CARD, ensure_ascii=False), "language": "en",
                                       "number": 1, "now_ms": now_ms(), **changes})


def code_in(text):
    return re.search(r"(?<![\d+])\d{6}(?!\d)", text).group()


def enrolled(connection, sink, address):
    """The secret that is kept."""
    begun = enrol(connection, address)
    done = verify(connection, begun["secret"], code_in(text_of(sink.messages[-1])))
    assert done["verdict"]
    return done["secret"]


def text_of(message):
    return message.text if hasattr(message, "text") else json.loads(message.body)["text"]


def failure(operation, *arguments, **rest):
    with pytest.raises(Refused) as refused:
        operation(*arguments, **rest)
    return refused.value.reason


def test_a_mail_arrives_by_starttls(start_worker, keys, mail):
    connection = mail_worker(start_worker, keys, mail.url).connect()
    begun = enrol(connection, "Alice@Example.COM")
    got = mail.messages[-1]
    assert (got.sender, got.recipients) == ("codes@shop.example", ["Alice@example.com"])
    assert got.message["To"] == "Alice@example.com" and got.message["From"] == "Corner Shop 小店 <codes@shop.example>"
    assert got.message["Subject"] == "Corner Shop: your code" and got.message["Auto-Submitted"] == "auto-generated"
    assert got.message["Message-ID"].endswith("@shop.example>")
    assert begun["steps"] == [{"type": "code", "digits": 6, "label": "Code sent to A***@example.com"}]
    assert not verify(connection, begun["secret"], "000000")["verdict"]
    done = verify(connection, begun["secret"], code_in(got.text))
    assert done["verdict"] and done["rests_on"] == ["mail-domain:example.com"]


@pytest.mark.parametrize("language, subject, words", [
    ("en", "Corner Shop: your code", "you are paying 88.00 CNY to Noodle Bar 面馆. Your code is"),
    ("zh-CN", "Corner Shop：验证码", "您正在向“Noodle Bar 面馆”支付 88.00 CNY，验证码")])
def test_a_payment_is_countersigned_by_mail(start_worker, keys, mail, language, subject, words):
    connection = mail_worker(start_worker, keys, mail.url).connect()
    secret = enrolled(connection, mail, "alice@example.com")
    begun = begin(connection, secret, language=language)
    got = mail.messages[-1]
    assert got.message["Subject"] == subject and words in got.text
    assert begun["destination"] == "a***@example.com" and begun["expires_ms"] > now_ms()
    code = code_in(got.text)
    assert not verify(connection, secret, code, challenge=b64(b"another"), state=begun["state"])["verdict"]
    assert verify(connection, secret, code, challenge=CHALLENGE, state=begun["state"])["verdict"]
    late = verify(connection, secret, code, challenge=CHALLENGE, state=begun["state"], now_ms=begun["expires_ms"])
    assert not late["verdict"]


def test_smtps_with_a_password(start_worker, keys, sink, tmp_path):
    server = sink(MailSink, keys.good, implicit=True)
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    connection = mail_worker(start_worker, keys, server.url,
                             f'set smtp-user "countersign" set smtp-password file "{password}"').connect()
    enrol(connection, "alice@example.com")
    assert server.messages[-1].user == ("countersign", "open sesame")
    server.password = "another"
    assert failure(enrol, connection, "alice@example.com") == "unreachable"
    assert len(server.messages) == 1


FAULTS = {"refuse": "unreachable", "drop": "unreachable", "hang": "too_late", "no_starttls": "unreachable",
          "tempfail": "unreachable", "unknown": "unreachable", "drop_in_data": "unreachable", "drop_after_data": "unreachable",
          "late_refusal": "unreachable"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mail_that_was_not_taken_is_no_yes(start_worker, keys, mail, fault):
    worker = mail_worker(start_worker, keys, mail.url)
    connection = worker.connect()
    mail.faults = [fault]
    assert failure(enrol, connection, "alice@example.com", deadline_ms=800) == FAULTS[fault]
    assert not mail.messages
    # No address and no code in the log; and the next one goes through, by the same server process.
    assert "alice" not in worker.log() and not re.search(r"\d{6}\D", worker.log().split("says=")[-1].split(" ")[0])
    enrol(connection, "alice@example.com")
    assert len(mail.messages) == 1


def test_no_mail_without_the_servers_proof(start_worker, keys, sink):
    for implicit in (False, True):
        server = sink(MailSink, keys.foreign, implicit=implicit)
        assert failure(enrol, mail_worker(start_worker, keys, server.url).connect(), "alice@example.com") == "unreachable"
        assert not server.messages
    nobody = f"smtp://127.0.0.1:{closed_port()}"
    assert failure(enrol, mail_worker(start_worker, keys, nobody).connect(), "alice@example.com") == "unreachable"


def test_without_tls_on_loopback_where_it_is_written(start_worker, keys, sink):
    server = sink(MailSink)
    connection = mail_worker(start_worker, keys, server.url, "set tls none").connect()
    enrol(connection, "alice@example.com")
    assert len(server.messages) == 1


def test_nothing_becomes_a_header_or_a_command(start_worker, keys, mail):
    connection = mail_worker(start_worker, keys, mail.url).connect()
    for address in ("a@example.com>\r\nRCPT TO:<b@example.com", "a@example.com, b@example.com", "a@example.com\nBcc: b@example.com",
                    "a@[127.0.0.1]", "\"a b\"@example.com"):
        with pytest.raises(Refused):
            enrol(connection, address)
    assert mail.connections == 0
    secret = enrolled(connection, mail, "alice@example.com")
    sent = len(mail.messages)
    for member in ("payee", "service", "amount"):
        for value in ("x\r\nBcc: b@example.com", "x\n.\nMAIL FROM:<b@example.com>", "x\u2028y", "x\u202e00.05", "x\x1b[2J"):
            with pytest.raises(Refused):
                begin(connection, secret, {**CARD, member: value})
    assert len(mail.messages) == sent
    # What only looks like one arrives as it is.
    begin(connection, secret, {**CARD, "payee": "=?UTF-8?B?QmNj?= {code} <b@example.com> . %0d%0aBcc: x"})
    assert "{code} <b@example.com> . %0d%0aBcc: x. Your code" in mail.messages[-1].text
    assert mail.messages[-1].recipients == ["alice@example.com"] and mail.messages[-1].message["Bcc"] is None


def test_a_text_message_is_posted(start_worker, keys, sms, tmp_path):
    secret_file = tmp_path / "authorization"
    secret_file.write_text("Bearer abc\n")
    secret_file.chmod(0o600)
    connection = sms_worker(start_worker, keys, sms.url, f"""set country "86" set authorization file "{secret_file}"
    set body "{{\\"recipient\\":\\"{{to}}\\",\\"n\\":[1],\\"text\\":\\"{{text}}\\"}}" """).connect()
    begun = enrol(connection, "138 1234 5678", language="zh")
    got = sms.messages[-1]
    assert got.headers["Authorization"] == "Bearer abc" and got.headers["Content-Type"] == "application/json"
    assert json.loads(got.body)["recipient"] == "+8613812345678"
    # NIST SP 800-63B: a restricted authenticator says so.
    assert begun["steps"][0]["type"] == "show" and "短信" in begun["steps"][0]["text"]
    done = verify(connection, begun["secret"], code_in(json.loads(got.body)["text"]))
    assert done["rests_on"] == ["phone:+8613812345678"]
    begun = begin(connection, done["secret"], {**CARD, "payee": 'A "quoted" \\ payee'})
    assert 'to A "quoted" \\ payee. Your code' in json.loads(sms.messages[-1].body)["text"]
    assert begun["destination"] == "+86 138****5678"


def test_a_form_for_gateways_that_want_one(start_worker, keys, sms):
    connection = sms_worker(start_worker, keys, sms.url, 'set body-type form set body "from=Shop&to={to}&msg={text}"').connect()
    enrol(connection, "+8613812345678", account_hint="a&to=+1900")
    got = urllib.parse.parse_qs(sms.messages[-1].body)
    assert got["to"] == ["+8613812345678"] and got["from"] == ["Shop"] and "a&to=+1900" in got["msg"][0]


@pytest.mark.parametrize("fault, reason", [("drop", "unreachable"), ("hang", "too_late"), (302, "unreachable"), (401, "unreachable"),
                                           (429, "unreachable"), (500, "unreachable")])
def test_a_text_message_that_was_not_taken_is_no_yes(start_worker, keys, sms, fault, reason):
    connection = sms_worker(start_worker, keys, sms.url).connect()
    sms.faults = [fault]
    assert failure(enrol, connection, "+8613812345678", deadline_ms=800) == reason
    assert not sms.messages
    enrol(connection, "+8613812345678")
    assert len(sms.messages) == 1


def test_only_where_codes_may_go(start_worker, keys, sms):
    connection = sms_worker(start_worker, keys, sms.url, 'set allow "+86"').connect()
    assert failure(enrol, connection, "+19005550100") == "bad_address"
    assert sms.connections == 0


def test_sent_again_the_code_before_is_void(start_worker, keys, sms):
    connection = sms_worker(start_worker, keys, sms.url).connect()
    secret = enrolled(connection, sms, "+8613812345678")
    first = begin(connection, secret)
    old = code_in(text_of(sms.messages[-1]))
    second = begin(connection, secret, state=first["state"], number=2)
    new = code_in(text_of(sms.messages[-1]))
    assert new == old or not verify(connection, secret, old, challenge=CHALLENGE, state=second["state"])["verdict"]
    assert verify(connection, secret, new, challenge=CHALLENGE, state=second["state"])["verdict"]


def test_the_outbox_of_tests(start_worker, tmp_path):
    outbox = tmp_path / "outbox"
    worker = start_worker("otp", "factor", f'set channel mail set outbox "{outbox}" cage {{ write "{tmp_path}" }}')
    assert worker.ready and "nothing is sent" in worker.log()
    connection = worker.connect()
    begun = enrol(connection, "alice@example.com")
    line = json.loads(outbox.read_text())
    assert (line["to"], line["kind"], line["channel"]) == ("alice@example.com", "enrolment", "mail")
    assert verify(connection, begun["secret"], code_in(line["text"]))["verdict"]
    assert outbox.stat().st_mode & 0o777 == 0o600


def test_a_notice_is_told(start_worker, keys, mail):
    connection = mail_worker(start_worker, keys, mail.url, 'set issuer "Example Pay"').connect()
    secret = enrolled(connection, mail, "alice@example.com")
    message = {"what": "factor_removed", "at": "2026-11-22T10:00:00Z", "account_hint": "al***", "detail": "totp"}
    connection.call("Tell", deadline_ms=DEADLINE_MS, request="r4", secret=secret, message=json.dumps(message), language="zh",
                    now_ms=now_ms())
    assert mail.messages[-1].message["Subject"] == "Example Pay：账户变更提醒"
    assert "已移除一种验证方式：totp" in mail.messages[-1].text
