# SPDX-License-Identifier: Apache-2.0
"""The worker and a plugin that misbehaves: what a crash, a hang and a lie cost, and what they do not."""

import json
import os
import pwd
import signal
import subprocess
import time

import pytest

from worker_process import BUILD, PLUGINS, Gone, Refused, now_ms

DEADLINE_MS = 400


def identify(connection, token, deadline_ms=5000, **changes):
    parameters = {"deadline_ms": deadline_ms, "request": "r1", "nonce": "n1", "client_ids": ["web"],
                  "id_token": token, "now_ms": now_ms(), **changes}
    return connection.call("Identify", **{k: v for k, v in parameters.items() if v is not None})


SECRET = "YWFhYWFhYWFhYWFhYWFhYQ"


def verify(connection, answer, **more):
    return connection.call("Verify", deadline_ms=DEADLINE_MS, request="r1", secret=SECRET,
                           answer=answer, last_step=4, now_ms=now_ms(), **more)


def begin(connection, card="honest", **more):
    return connection.call("Begin", **{"deadline_ms": DEADLINE_MS, "request": "r1", "secret": SECRET, "number": 1,
                                       "challenge": SECRET, "operation": "spend", "now_ms": now_ms(),
                                       "card": json.dumps({"payee": card}), **more})


def tell(connection, what="factor_enrolled"):
    return connection.call("Tell", deadline_ms=DEADLINE_MS, request="r1", secret=SECRET, now_ms=now_ms(),
                           message=json.dumps({"what": what}), language="zh")


def assess(connection, payee="m-7", deadline_ms=5000, **changes):
    parameters = {"deadline_ms": deadline_ms, "request": "r1", "service": "checkout", "operation": "spend",
                  "account": "0" * 32, "provider": "sandbox", "amount": 4200, "currency": "CNY", "digits": 2,
                  "payee": payee, "factors": 1, "account_age_ms": 0, "link_age_ms": -1, "session_age_ms": 5,
                  "now_ms": now_ms(), **changes}
    return connection.call("Assess", **{k: v for k, v in parameters.items() if v is not None})


def deliver(connection, document, **changes):
    parameters = {"deadline_ms": 5000, "request": "r1", "id": "n1", "document": json.dumps(document),
                  "now_ms": now_ms(), **changes}
    return connection.call("Deliver", **{k: v for k, v in parameters.items() if v is not None})


@pytest.fixture
def provider(start_worker):
    worker = start_worker("misbehave", "provider")
    assert worker.ready
    return worker


def test_describe_says_what_the_plugin_is(provider):
    said = provider.connect().call("Describe", request="r1", deadline_ms=1000)
    assert said.pop("request") == "r1"
    for operation in ("signals", "polls", "streams", "rekeys"):
        assert said.pop(operation) in (False, True)
    assert {"provider", "factor", "risk", "notify"} <= set(said.pop("kinds"))
    assert said == {"name": "misbehave", "version": "1", "factor_kind": "misbehave", "begins": False, "sends": False,
                    "tells": False, "stable_subject": True, "honours_max_age": False, "controls": [], "code_alone": False}


def test_honest_answer_repeats_what_was_asked(provider):
    got = identify(provider.connect(), "alice")
    assert (got["request"], got["subject"], got["audience"], got["nonce"]) == ("r1", "alice", "web", "n1")


@pytest.mark.parametrize("how", ["crash", "exit"])
def test_dead_server_is_replaced(provider, how):
    with pytest.raises(Gone):
        identify(provider.connect(), "!" + how)
    assert identify(provider.connect(), "alice")["subject"] == "alice"


def test_hanging_server_is_killed_at_its_deadline(provider):
    begun = time.monotonic()
    with pytest.raises(Gone):
        identify(provider.connect(), "!hang", deadline_ms=DEADLINE_MS)
    assert DEADLINE_MS / 1000 <= time.monotonic() - begun < 5
    assert identify(provider.connect(), "alice")["subject"] == "alice"
    assert "passed its deadline, killed" in provider.log()


def test_neighbour_is_unharmed_by_a_hang(start_worker):
    worker = start_worker("misbehave", "provider", servers=2)
    hung, well = worker.connect(), worker.connect()
    identify(well, "alice")  # this one has a server of its own now
    hung.socket.sendall(json.dumps({"method": "org.countersign.Worker.Identify", "parameters": {
        "deadline_ms": DEADLINE_MS, "request": "r1", "nonce": "n1", "client_ids": ["web"],
        "id_token": "!hang", "now_ms": now_ms()}}).encode() + b"\0")
    for _ in range(20):
        assert identify(well, "alice")["subject"] == "alice"
    with pytest.raises(Gone):
        hung.raw(b"")
    assert identify(well, "alice")["subject"] == "alice"


def test_slow_answer_within_the_deadline_is_an_answer(provider):
    assert identify(provider.connect(), "!slow")["subject"] == "alice"


def test_deadline_of_the_configuration_is_the_longest(start_worker):
    worker = start_worker("misbehave", "provider", deadline="300ms")
    begun = time.monotonic()
    with pytest.raises(Gone):
        identify(worker.connect(), "!hang", deadline_ms=60000)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("how", ["garbage", "overflow", "nonsense"])
def test_garbage_is_a_failure_and_the_end_of_that_server(provider, how):
    connection = provider.connect()
    with pytest.raises(Refused) as refused:
        identify(connection, "!" + how)
    assert (refused.value.error, refused.value.reason) == ("Failed", "garbage")
    with pytest.raises(Gone):
        identify(connection, "alice")
    assert identify(provider.connect(), "alice")["subject"] == "alice"


@pytest.mark.parametrize("how, member, value", [
    ("lie_subject", "subject", "mallory"), ("lie_request", "request", "another-request"),
    ("lie_audience", "audience", "another-client"), ("lie_nonce", "nonce", "another-nonce"),
    ("lie_issuer", "issuer", "https://another.test")])
def test_lie_is_passed_on_for_the_engine_to_judge(provider, how, member, value):
    assert identify(provider.connect(), "!" + how)[member] == value


def test_plugins_no_is_not_its_failure(provider):
    connection = provider.connect()
    with pytest.raises(Refused) as refused:
        identify(connection, "!refuse")
    assert (refused.value.error, refused.value.reason) == ("Refused", "bad_token")
    with pytest.raises(Refused) as refused:
        identify(connection, "!fail")
    assert (refused.value.error, refused.value.reason) == ("Failed", "unreachable")
    assert identify(connection, "alice")["subject"] == "alice"


def test_plugin_cannot_forge_a_line_of_the_log(provider):
    identify(provider.connect(), "!flood", deadline_ms=5000)
    lines = [line for line in provider.log().splitlines() if "flood" in line]
    assert len(lines) == 10000
    assert all("plugin name=misbehave" in line and "\033" not in line for line in lines)


@pytest.mark.parametrize("answer, verdict, step", [
    ("right", True, 5), ("wrong", False, -1), ("!lie_verdict", True, 4)])
def test_factor(start_worker, answer, verdict, step):
    worker = start_worker("misbehave", "factor")
    got = verify(worker.connect(), answer)
    assert (got["verdict"], got["step"]) == (verdict, step)


@pytest.fixture
def prompting(start_worker):
    worker = start_worker("misbehave", "factor", "set prompts asks")
    assert worker.ready
    return worker


def test_a_conversation_goes_on_with_what_was_left(prompting):
    connection = prompting.connect()
    said = connection.call("Describe")
    assert (said["begins"], said["sends"], said["tells"]) == (True, False, True)
    begun = begin(connection)
    assert begun == {"request": "r1", "state": "YmVndW4", "destination": "+86 138****5678",
                     "steps": [{"type": "code", "label": "The code that nobody sent"}]}
    more = verify(connection, "!more", challenge=SECRET, operation="spend", state=begun["state"], card="{}")
    assert more == {"request": "r1", "verdict": False, "step": -1, "more": True, "state": "bW9yZQ",
                    "steps": [{"type": "secret", "label": "And now?"}]}
    done = verify(connection, "right", challenge=SECRET, operation="spend", state=more["state"], card="{}")
    assert (done["verdict"], "more" in done, "state" in done) == (True, False, False)


def test_what_was_not_begun_is_not_answered(prompting):
    with pytest.raises(Refused) as refused:
        verify(prompting.connect(), "right", challenge=SECRET, operation="spend")
    assert (refused.value.error, refused.value.reason) == ("Failed", "invalid")


def test_a_factor_without_begin_and_tell_says_so(start_worker):
    connection = start_worker("misbehave", "factor").connect()
    for ask in begin, tell:
        with pytest.raises(Refused) as refused:
            ask(connection)
        assert (refused.value.error, refused.value.reason) == ("Failed", "invalid")


def test_an_owner_is_told(prompting):
    assert tell(prompting.connect()) == {"request": "r1"}
    prompting.wait_for_log("factor_enrolled")


@pytest.mark.parametrize("how", ["lie_more", "lie_state", "lie_passkey", "lie_word"])
def test_a_malformed_verdict_is_garbage(prompting, how):
    connection = prompting.connect()
    with pytest.raises(Refused) as refused:
        verify(connection, "!" + how, challenge=SECRET, operation="spend", state=SECRET, card="{}")
    assert (refused.value.error, refused.value.reason) == ("Failed", "garbage")
    with pytest.raises(Gone):
        verify(connection, "right")


@pytest.mark.parametrize("how", ["lie_more", "lie_state", "lie_passkey", "garbage", "overflow", "nonsense"])
def test_a_malformed_beginning_is_garbage(prompting, how):
    with pytest.raises(Refused) as refused:
        begin(prompting.connect(), "!" + how)
    assert (refused.value.error, refused.value.reason) == ("Failed", "garbage")


def test_what_a_factor_rests_on_is_passed_on(start_worker):
    """For the engine to judge: it knows whether an enrolment was asked about."""
    assert verify(start_worker("misbehave", "factor").connect(), "!lie_rests")["rests_on"] == \
        ["mail-domain:post.misbehave.test", "copies:none"]


@pytest.mark.parametrize("parameters, field", [
    ({"request": None}, "request"), ({"deadline_ms": 0}, "deadline_ms"), ({"nonce": 7}, "nonce"),
    ({"client_ids": "web"}, "client_ids"), ({"client_ids": []}, "client_ids"),
    ({"client_ids": ["w"] * 17}, "client_ids"), ({"stranger": 1}, "stranger")])
def test_malformed_call_names_the_field(provider, parameters, field):
    with pytest.raises(Refused) as refused:
        identify(provider.connect(), "alice", **parameters)
    assert refused.value.error == "InvalidParameter"
    assert field in str(refused.value)


@pytest.mark.parametrize("changes", [
    {"client_ids": [1]}, {"client_ids": ["web", None]}, {"code": "both"}, {"id_token": None}])
def test_call_without_sense_never_reaches_the_plugin(provider, changes):
    with pytest.raises(Refused) as refused:
        identify(provider.connect(), changes.pop("id_token", "!crash"), **changes)
    assert (refused.value.error, refused.value.reason) == ("Failed", "invalid")


@pytest.mark.parametrize("message", [b"garbage\0", b"[]\0", b"{}\0", b'{"method":"x"}\0',
                                     b'{"method":"org.countersign.Worker.Nothing"}\0',
                                     b'{"method":"org.countersign.Worker.Identify"}\0'])
def test_message_that_is_no_call_gets_an_error(provider, message):
    assert "error" in provider.connect().raw(message)


def test_endless_message_ends_the_connection(provider):
    connection = provider.connect()
    with pytest.raises(Gone):
        connection.raw(b"x" * 200000)
    assert identify(provider.connect(), "alice")["subject"] == "alice"


def test_termination_finishes_the_call(provider):
    connection = provider.connect()
    connection.socket.sendall(json.dumps({"method": "org.countersign.Worker.Identify", "parameters": {
        "deadline_ms": 1000, "request": "r1", "nonce": "n1", "client_ids": ["web"],
        "id_token": "!slow", "now_ms": now_ms()}}).encode() + b"\0")
    provider.wait_for_log("slow begins")
    os.kill(provider.pid, signal.SIGTERM)
    assert connection.raw(b"")["parameters"]["subject"] == "alice"
    assert provider.wait() == 0


def test_worker_ends_with_its_parent(provider):
    provider.control.close()
    assert provider.wait() != 0


@pytest.mark.parametrize("settings, sentence", [
    ('set nothing "x"', 'has no key \\"nothing\\"'),
    ('set start "badly"', "start must be one of: well crash hang fail"),
    ('set behaviour "unheard-of"', "did not start"),
    ('set start "fail"', "told to fail by the key start")])
def test_unfit_configuration_is_said_and_final(start_worker, settings, sentence):
    worker = start_worker("misbehave", "provider", settings)
    assert not worker.ready
    assert worker.wait() == 1
    assert sentence.replace("\\", "") in worker.log().replace("\\", "")


@pytest.mark.parametrize("settings, sentence", [
    ("", "needs the key issuer"),
    ('set issuer "http://x" set client-id "web"', "issuer must begin with https://"),
    ('set issuer "https://x" set client-id "web" set clock-skew 301', "from 0 to 300"),
    ('set issuer "https://x" set client-id "web" set algorithm HS256', "algorithm must be one of"),
    ('set issuer "https://x" set client-id "web" set scope "email"', "at least|must have|must contain")])
def test_unfit_configuration_of_oidc(start_worker, settings, sentence):
    worker = start_worker("oidc", "provider", settings)
    assert worker.wait() == 1
    assert any(part in worker.log() for part in sentence.split("|"))


def test_plugin_of_another_kind(start_worker):
    worker = start_worker("totp", "provider")
    assert worker.wait() == 1
    assert "plugin totp is no provider" in worker.log()


def check(path):
    return subprocess.run([os.path.join(BUILD, "countersign-worker"), "--check", path],
                          capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("name", ["totp", "oidc", "misbehave"])
def test_check_prints_the_description(name):
    done = check(os.path.join(PLUGINS, name + ".so"))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["name"] == name and said["self_test"] == "passed"
    assert all(key["help"] for key in said["keys"])


def test_check_refuses_what_is_no_plugin(tmp_path):
    library = tmp_path / "x.so"
    library.write_bytes(b"not a library")
    done = check(str(library))
    assert done.returncode == 1 and "cannot be loaded" in done.stderr
    assert check(str(tmp_path / "absent.so")).returncode == 1


def test_check_refuses_a_file_that_others_may_write(tmp_path):
    copy = tmp_path / "totp.so"
    with open(os.path.join(PLUGINS, "totp.so"), "rb") as f:
        copy.write_bytes(f.read())
    copy.chmod(0o666)
    done = check(str(copy))
    assert done.returncode == 1 and "chmod go-w" in done.stderr
    copy.chmod(0o644)
    assert check(str(copy)).returncode == 0


def test_a_score_and_its_reason(provider):
    connection = provider.connect()
    assert assess(connection) == {"request": "r1", "score": 42, "reason": "amount"}
    # Of an operation without an amount, and of one above all scores.
    assert assess(connection, payee=None, amount=None, currency=None, digits=None, provider=None)["score"] == 0
    assert assess(connection, amount=10 ** 15)["score"] == 100


@pytest.mark.parametrize("how", ["lie_score", "lie_low", "garbage", "overflow", "nonsense"])
def test_a_score_out_of_bounds_is_garbage_and_ends_its_server(provider, how):
    connection = provider.connect()
    with pytest.raises(Refused) as refused:
        assess(connection, payee="!" + how)
    assert "garbage" in str(refused.value)
    with pytest.raises(Gone):
        assess(connection)
    assert assess(provider.connect())["score"] == 42


@pytest.mark.parametrize("how", ["refuse", "fail"])
def test_a_plugin_without_an_opinion(provider, how):
    connection = provider.connect()
    with pytest.raises(Refused):
        assess(connection, payee="!" + how)
    assert assess(connection)["score"] == 42


@pytest.mark.parametrize("changes", [{"service": None}, {"account": None}, {"amount": -1}, {"link_age_ms": -2},
                                     {"factors": None}, {"payee": "x" * 129}, {"payee": "a\nb"}, {"subject": "alice"}])
def test_what_is_no_question_about_risk(provider, changes):
    with pytest.raises(Refused):
        assess(provider.connect(), **changes)


def test_a_notice_is_taken_or_not(provider):
    connection = provider.connect()
    assert deliver(connection, {"outcome": "permit"}) == {"request": "r1"}
    for document in ({"payee": "!refuse"}, {"payee": "!fail"}):
        with pytest.raises(Refused):
            deliver(connection, document)
    with pytest.raises(Refused):
        deliver(connection, "x" * 8200)
    assert deliver(connection, {"outcome": "deny"}) == {"request": "r1"}
    with pytest.raises(Gone):
        deliver(connection, {"payee": "!crash"})
    assert deliver(provider.connect(), {}) == {"request": "r1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_block_names_the_user_of_its_worker(start_worker):
    worker = start_worker("misbehave", "provider", 'user "nobody"')
    assert worker.ready, worker.log()
    with open(f"/proc/{worker.pid}/status") as status:
        uids = next(line for line in status if line.startswith("Uid:")).split()[1:]
    assert set(uids) == {str(pwd.getpwnam("nobody").pw_uid)}
