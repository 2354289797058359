# SPDX-License-Identifier: Apache-2.0
"""Attacks by plugins: they lie, hang, crash and write garbage. What rests on them is unavailable, never permitted."""
import contextlib
import json
import os
import select
import shutil
import sys
import time

import pytest

from harness import BUILD, CALL_S, RIGHTS, SOURCE, Broker, Person, VarlinkError

sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))

from passkey import Passkey, unb64  # noqa: E402

# The factor is of a kind that the engine cannot verify again; it counts up to the limit that is written, and no further.
PLUGINS = """provider "fool" {{
    plugin "{plugin}"
    servers 2 deadline 5s queue 16
    cooling-off 0
    syncs-secrets no
    set issuer "https://misbehave.test"
}}
provider "mute" {{
    plugin "{plugin}"
    servers 1 deadline 5s queue 16
    cooling-off 0
    syncs-secrets no
    set issuer "https://misbehave.test"
    set code-alone yes
}}
factor "pam" {{ plugin "{plugin}" servers 1 deadline 5s cooling-off 0 }}
trusted-factor-limit CNY 50
"""

STACK = """link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   required    stepup      factors=1
"""


def misbehave(directory):
    """The plugin that misbehaves, as a real file in a directory of its own."""
    path = os.path.join(directory, "misbehave.so")
    shutil.copyfile(os.path.join(BUILD, "plugins", ".libs", "misbehave.so"), path)
    os.chmod(path, 0o644)
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    plugin = misbehave(tmp_path_factory.mktemp("plugins"))
    broker = Broker(stack=STACK, extra=PLUGINS.format(plugin=plugin),
                    rights={"checkout": RIGHTS + '\n    client-id "fool" "fool-app"\n    client-id "mute" "mute-app"'})
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log


@pytest.fixture
def victim(broker):
    """An account whose ID at the foolish provider is its own name."""
    person = Person(broker)
    person.enrol()
    begun = broker.service.call("Links.Begin", account=person.account, provider="fool", native=True)
    proposed = broker.service.call("Links.Complete", sign_in=begun["sign_in"], id_token=person.subject)
    person.confirm(proposed["challenge"]["id"])
    person.link_id = proposed["link"]["id"]
    assert sign_in(broker.service, person.subject)["account"] == person.account
    return person


def sign_in(service, token):
    begun = service.call("Sessions.Begin", provider="fool")
    return service.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)


def refused(service, token):
    begun = service.call("Sessions.Begin", provider="fool")
    error = service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
    # Whatever happened, this sign-in is used up.
    assert service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "sign_in"}
    return error


# --- L9 ---

@pytest.mark.parametrize("lie, told", [
    ("lie_request", "unavailable"), ("lie_issuer", "contradiction"), ("lie_audience", "contradiction"),
    ("lie_nonce", "contradiction"), ("lie_no_nonce", "contradiction"), ("lie_time", "contradiction")])
def test_L9_an_answer_that_contradicts_the_question(broker, victim, log, lie, told):
    error = refused(broker.service, "!" + lie)
    assert (error.name, error.parameters["what"]) == ("Unavailable", "fool")
    assert log.events(type="session_opened") == []
    log.strangers("checkout", told)
    # Its server was replaced: the next one is asked again, and is believed as far as it is honest.
    assert sign_in(broker.service, victim.subject)["account"] == victim.account


@pytest.mark.parametrize("proof", [{"id_token": "!lie_no_nonce"}, {"id_token": "!honest"}, {"code": "!honest"}, {"code": "!lie_nonce"}])
def test_L9_a_provider_that_signs_nothing_takes_codes_alone(broker, log, proof):
    """It has no nonce to show: an ID token from it is none, and a nonce contradicts what it said of itself."""
    begun = broker.service.call("Sessions.Begin", provider="mute")
    error = broker.service.fails("Sessions.Open", sign_in=begun["sign_in"], **proof)
    assert (error.name, error.parameters["what"]) == ("Unavailable", "mute")
    log.strangers("checkout", "contradiction")
    # Its code, without a nonce, is believed: nobody has linked this ID.
    begun = broker.service.call("Sessions.Begin", provider="mute")
    error = broker.service.fails("Sessions.Open", sign_in=begun["sign_in"], code="!lie_no_nonce")
    assert error.parameters == {"what": "link"}


def test_L9_another_subject_is_another_person(broker, victim, log):
    """Nobody but the plugin knows whose token it was; what it says is still nobody's who is not linked."""
    assert refused(broker.service, "!lie_subject").parameters == {"what": "link"}
    assert log.events(victim.account, "session_opened") == []
    log.strangers("checkout", "link")


def test_L9_a_lying_provider_permits_no_spending(broker, victim, log):
    """Even a session in the victim's name, given by a lie, spends nothing without the victim's factor."""
    session = sign_in(broker.service, victim.subject)["session"]
    answer = broker.service.call("Payments.Authorize", session=session, payment=victim.payment())
    assert (answer["outcome"], answer["reason"]) == ("step_up", "countersignature_required")
    assert log.events(victim.account, "payment_permitted") == []


# --- S11 ---

@pytest.mark.parametrize("how", ["crash", "exit", "hang", "garbage", "overflow", "nonsense", "fail"])
def test_S11_a_provider_that_fails_opens_nothing(broker, victim, log, how):
    error = refused(broker.service, "!" + how)
    assert (error.name, error.parameters["what"]) == ("Unavailable", "fool")
    assert error.parameters["retry_after_ms"] > 0
    assert log.events(type="session_opened") == []
    log.strangers("checkout", "unavailable")
    assert sign_in(broker.service, victim.subject)["account"] == victim.account


def test_S11_a_plugins_no_is_a_no(broker, victim, log):
    assert refused(broker.service, "!refuse").parameters == {"field": "id_token", "reason": "bad_token"}
    log.strangers("checkout", "bad_token")


def test_S11_a_hanging_provider_holds_up_nobody_else(broker, victim):
    """Both servers hang; another connection is served at once, and so is the queue when they are replaced."""
    hung, free = [broker.connect() for _ in range(2)], broker.connect()
    for client in hung:
        begun = client.call("Sessions.Begin", provider="fool")
        client.send("Sessions.Open", sign_in=begun["sign_in"], id_token="!hang")
    assert free.call("Whoami")["service"] == "checkout"
    for client in hung:
        assert client.read()["error"].endswith(".Unavailable")
    assert sign_in(free, victim.subject)["account"] == victim.account


def test_S11_a_full_queue_is_unavailable(broker, victim, log):
    clients = [broker.connect() for _ in range(40)]
    for client in clients:
        begun = client.call("Sessions.Begin", provider="fool")
        client.send("Sessions.Open", sign_in=begun["sign_in"], id_token="!hang")
    assert {client.read()["error"] for client in clients} == {"org.countersign.Unavailable"}
    assert log.events(type="session_opened") == []
    # After so many failures it is given a rest, and then asked again.
    broker.clock.advance(61_000)
    until_it_answers(broker, victim)


def until_it_answers(broker, victim):
    end = time.monotonic() + CALL_S
    while True:
        with contextlib.suppress(VarlinkError):
            assert sign_in(broker.service, victim.subject)["account"] == victim.account
            return
        assert time.monotonic() < end, "it never answers again"
        select.select([], [], [], 0.05)


@pytest.fixture
def trusting(broker, person):
    """An account with an ID at the honest provider and a factor whose plugin the broker must believe: (person, factor)."""
    return person, believed(broker, person)


def believed(broker, person):
    """Enrols the factor that misbehaves; gives its id."""
    call = broker.service.call
    asked = call("Factors.Begin", account=person.account, kind="pam", label="login")
    person.confirm(asked["challenge"]["id"])
    begun = call("Factors.Begin", account=person.account, kind="pam", label="login",
                 challenge=asked["challenge"]["id"])
    step = next(s for s in begun["steps"] if s["type"] == "code")
    done = call("Factors.Finish", enrolment=begun["enrolment"], answers=[{"step": step["id"], "value": "right"}])
    assert done["outcome"] == "permit", done
    return done["factor"]["id"]


def asked(person, amount):
    session = person.session()
    payment = person.payment(amount)
    answer = person.authorize(session, payment)
    assert answer["outcome"] == "step_up", answer
    return session, payment, answer["challenge"]["id"]


@pytest.mark.parametrize("how", ["crash", "exit", "hang", "garbage", "overflow", "nonsense", "fail", "lie_request"])
def test_S11_a_factor_that_fails_permits_nothing(broker, trusting, log, how):
    person, factor = trusting
    session, payment, challenge = asked(person, "20.00")
    error = broker.service.fails("StepUp.Respond", challenge=challenge, answers=[{"step": factor, "value": "!" + how}])
    assert (error.name, error.parameters["what"]) == ("Unavailable", "factor")
    assert broker.service.call("StepUp.Get", challenge=challenge)["state"] == "open"
    assert person.authorize(session, payment)["outcome"] == "step_up"
    assert log.events(person.account, "payment_permitted") == []
    log.strangers("checkout", "unavailable")


# --- S18 ---

def test_S18_a_lying_factor_is_believed_up_to_its_limit(broker, trusting, log):
    """The plugin says yes to anything. Fifty yuan is what the admin trusts it with."""
    person, factor = trusting
    call = broker.service.call
    session, payment, challenge = asked(person, "50.00")
    answer = call("StepUp.Respond", challenge=challenge, answers=[{"step": factor, "value": "!lie_verdict"}])
    assert answer["state"] == "done"
    assert person.authorize(session, payment)["outcome"] == "permit"
    session, payment, challenge = asked(person, "50.01")
    answer = call("StepUp.Respond", challenge=challenge, answers=[{"step": factor, "value": "!lie_verdict"}])
    assert person.authorize(session, payment)["outcome"] != "permit"
    assert len(log.events(person.account, "payment_permitted")) == 1


def test_S18_a_factor_changes_what_is_kept_of_it_at_its_enrolment_alone(broker, trusting, log):
    person, factor = trusting
    session, payment, challenge = asked(person, "20.00")
    answer = broker.service.call("StepUp.Respond", challenge=challenge,
                                 answers=[{"step": factor, "value": "!lie_secret"}])
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert person.authorize(session, payment)["outcome"] == "step_up"
    assert log.events(person.account, "payment_permitted") == []


def test_S18_a_factor_of_the_providers_own_plugin_is_dependent(broker, victim, log):
    """Provider and factor are one file: whoever has the one has the other."""
    factor = believed(broker, victim)
    session = sign_in(broker.service, victim.subject)["session"]
    payment = victim.payment("20.00")
    challenge = victim.authorize(session, payment)["challenge"]["id"]
    answer = broker.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": factor, "value": "right"}])
    assert (answer["state"], answer["reason"]) == ("open", "no_independent_factor")
    assert [step["kind"] for step in answer["steps"]] == ["totp"]
    log.denied(victim.account, "no_independent_factor")
    assert log.events(victim.account, "payment_permitted") == []


def test_S18_the_gateway_names_no_service(broker, victim, log):
    """A captured gateway has certificates at most: a name is no member of its call, and the factor is still asked for."""
    gateway = broker.gateway()
    error = gateway.fails("Internal.Forward", method="org.countersign.Whoami", parameters={}, service="checkout")
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "service")
    reply = gateway.call("Internal.Forward", method="org.countersign.Admin.Thaw", ip="192.0.2.1",
                         certificate_sha256=broker.fingerprints["checkout"], parameters={"scope": "broker"})
    assert reply["error"] == "org.countersign.NotPermitted"
    service = broker.as_service("checkout")
    session = sign_in(service, victim.subject)["session"]
    assert service.call("Payments.Authorize", session=session, payment=victim.payment())["outcome"] == "step_up"
    log.strangers("checkout", "not_permitted")


class LyingTotp(Broker):
    """Its TOTP plugin is the one that misbehaves."""

    def _files(self, *rest):
        super()._files(*rest)
        shutil.copyfile(os.path.join(BUILD, "plugins", ".libs", "misbehave.so"), self.path("plugins/totp.so"))


def test_S18_a_totp_plugin_that_says_yes_is_not_enough():
    """The engine computes the code itself: not even the first factor is enrolled by a lie."""
    broker = LyingTotp()
    try:
        call = broker.service.call
        for value in ("right", "!lie_verdict", "000000"):
            begun = call("Factors.Begin", account="account", kind="totp", label="x", proof="passport")
            step = next(s for s in begun["steps"] if s["type"] == "code")
            done = call("Factors.Finish", enrolment=begun["enrolment"], answers=[{"step": step["id"], "value": value}])
            assert (done["outcome"], done["reason"]) == ("deny", "factor_rejected"), value
        assert broker.service.fails("Factors.List", account="account").name == "NotFound"
        events = broker.admin.call("Admin.Events", account="account")["events"]
        assert [e for e in events if e["type"] == "factor_enrolled"] == []
    finally:
        broker.stop()


class Passkeys(Broker):
    """With a factor webauthn, whose plugin may be exchanged for one that says yes to everything."""

    SETTINGS = """    set rp-id "pay.example"
    set origin "https://pay.example"
"""

    def __init__(self):
        super().__init__(https=False, stack=STACK, extra=f"""factor "webauthn" {{
    plugin "webauthn" servers 1 deadline 5s cooling-off 0
{self.SETTINGS}}}
""")

    def corrupt(self):
        self.halt()
        shutil.copyfile(os.path.join(BUILD, "plugins", ".libs", "misbehave.so"), self.path("plugins/webauthn.so"))
        with open(self.path("countersign.conf"), encoding="utf-8") as f:
            text = f.read()
        with open(self.path("countersign.conf"), "w", encoding="utf-8") as f:
            f.write(text.replace(self.SETTINGS, self.SETTINGS + "    set behaviour lie_verdict\n"))
        self.start()

    def failures(self):
        plugins = self.admin.call("Admin.Status")["plugins"]
        return next(plugin["failures"] for plugin in plugins if plugin["name"] == "webauthn")


@pytest.fixture
def passkeys():
    broker = Passkeys()
    yield broker
    assert broker.stop() == 0


def enrol_passkey(broker, person, passkey):
    begun = broker.service.call("Factors.Begin", account=person.account, kind="webauthn", proof="passport")
    step, = begun["steps"]
    options = json.loads(step["options"])
    passkey.user_handle = unb64(options["user"]["id"])
    return broker.service.call("Factors.Finish", enrolment=begun["enrolment"], answers=[
        {"step": step["id"], "value": passkey.register(options["challenge"])}])


def ask_passkey(broker, person, amount):
    payment = person.payment(amount)
    challenge = broker.service.call("Payments.Authorize", session=person.at, payment=payment)["challenge"]["id"]
    step, = broker.service.call("StepUp.Get", challenge=challenge)["steps"]
    return payment, challenge, step


def test_S18_an_answer_that_is_sent_twice_is_no_plugins_lie(passkeys):
    """A counter that the same answer used up beside it: the plugin said what was so, and nobody else's passkey waits for it."""
    person, passkey = Person(passkeys), Passkey("pay.example", "https://pay.example", counter=7)
    done = enrol_passkey(passkeys, person, passkey)
    assert done["outcome"] == "permit", done
    person.confirm = lambda challenge, **rest: passkeys.service.call("StepUp.Respond", challenge=challenge, answers=[
        {"step": done["factor"]["id"], "value": passkey.sign(
            passkeys.service.call("StepUp.Get", challenge=challenge)["steps"][0]["challenge"])}])
    person.link()
    person.at = person.session()
    for amount in range(10, 15):
        _, challenge, step = ask_passkey(passkeys, person, f"{amount}.00")
        answers, clients = [{"step": step["id"], "value": passkey.sign(step["challenge"])}], [passkeys.connect() for _ in range(4)]
        for client in clients:
            client.send("StepUp.Respond", challenge=challenge, answers=answers)
        assert [client.read()["parameters"]["state"] for client in clients] == ["done"] * 4
    assert passkeys.failures() == 0


class LongTotp(Broker):
    """Its TOTP plugin shows all that it may, and each byte of it takes two in JSON."""

    def _files(self, *rest):
        super()._files(*rest)
        shutil.copyfile(os.path.join(BUILD, "plugins", ".libs", "misbehave.so"), self.path("plugins/totp.so"))


def test_S18_a_plugin_that_shows_too_much_stops_nobody():
    broker = LongTotp(totp_extra="    set behaviour long\n")
    try:
        error = broker.service.fails("Factors.Begin", account="account", kind="totp", label="x", proof="passport")
        assert (error.name, error.parameters["what"]) == ("Unavailable", "factor")
        assert broker.service.call("Whoami")["service"] == "checkout"
    finally:
        assert broker.stop() == 0


def test_S18_a_lying_plugins_yes_to_a_passkey_is_refused(passkeys):
    """It says yes to a signature of another payment, of another key, and to none; the engine looks itself."""
    person, passkey = Person(passkeys), Passkey("pay.example", "https://pay.example")
    done = enrol_passkey(passkeys, person, passkey)
    assert done["outcome"] == "permit", done
    person.confirm = lambda challenge, **rest: passkeys.service.call("StepUp.Respond", challenge=challenge, answers=[
        {"step": done["factor"]["id"], "value": passkey.sign(
            passkeys.service.call("StepUp.Get", challenge=challenge)["steps"][0]["challenge"])}])
    person.link()
    passkeys.corrupt()
    person.service = passkeys.service
    person.at = person.session()
    _, _, cheap = ask_passkey(passkeys, person, "1.00")
    payment, challenge, step = ask_passkey(passkeys, person, "900.00")
    thief = Passkey("pay.example", "https://pay.example")
    thief.id, thief.user_handle = passkey.id, passkey.user_handle
    for value in (passkey.sign(cheap["challenge"]), thief.sign(step["challenge"]), "yes"):
        failed = passkeys.failures()
        answer = passkeys.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": step["id"], "value": value}])
        assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
        # That server is given up; the next one is asked.
        assert passkeys.failures() == failed + 1
    assert passkeys.service.call("Payments.Authorize", session=person.at, payment=payment)["outcome"] == "step_up"
    right = [{"step": step["id"], "value": passkey.sign(step["challenge"])}]
    assert passkeys.service.call("StepUp.Respond", challenge=challenge, answers=right)["state"] == "done"


def test_S18_a_plugin_registers_no_key_of_its_own(passkeys):
    """It keeps what it likes as the passkey: the engine looks for the key and the id in what the browser made."""
    passkeys.corrupt()
    person = Person(passkeys)
    begun = passkeys.service.call("Factors.Begin", account=person.account, kind="webauthn", proof="passport")
    step = next(s for s in begun["steps"] if s["type"] == "code")
    done = passkeys.service.call("Factors.Finish", enrolment=begun["enrolment"],
                                 answers=[{"step": step["id"], "value": "anything"}])
    assert (done["outcome"], done["reason"]) == ("deny", "factor_rejected")
    assert passkeys.service.fails("Factors.List", account=person.account).name == "NotFound"


# --- X9 ---

@pytest.mark.parametrize("how", ["flood"])
def test_X9_a_plugin_cannot_forge_the_log(broker, victim, how):
    assert refused(broker.service, "!" + how).parameters == {"what": "link"}
    assert "forged=yes \x1b" not in broker.log() and "\nlevel=error forged=yes" not in broker.log()


# --- X10 ---

class Spoilt(Broker):
    """Spoils the plugin's file before the start."""

    def __init__(self, spoil):
        self.spoil = spoil
        super().__init__()

    def _files(self, *rest):
        super()._files(*rest)
        self.spoil(self.path("plugins/totp.so"))


def _link(path):
    os.rename(path, path + ".real")
    os.symlink(path + ".real", path)


def _directory(path):
    os.chmod(os.path.dirname(path), 0o777)


def _fifo(path):
    os.unlink(path)
    os.mkfifo(path)


@pytest.mark.parametrize("spoil, why", [
    (lambda path: os.chmod(path, 0o666), "others can write to it"),
    (lambda path: os.chmod(path, 0o664), "others can write to it"),
    (_directory, "others can write to its directory"), (_link, "symbolic link"), (_fifo, "no regular file"),
    (os.unlink, "no such file")], ids=["writable", "by group", "directory", "link", "fifo", "absent"])
def test_X10_a_plugin_file_that_others_could_have_made(spoil, why):
    with pytest.raises(RuntimeError, match=why):
        Spoilt(spoil)


def _text(path):
    with open(path, "wb") as f:
        f.write(b"no plugin at all\n")


def _program(path):
    shutil.copyfile(os.path.join(BUILD, "testlibexec", "countersign-engine"), path)
    os.chmod(path, 0o644)


@pytest.mark.parametrize("spoil", [_text, _program], ids=["text", "program"])
def test_X10_a_file_that_is_no_plugin_is_never_available(spoil):
    """The worker says why; whoever needs the factor hears at the deadline that there is none, and nothing is enrolled."""
    broker = Spoilt(spoil)
    try:
        waiting = broker.connect()
        waiting.send("Factors.Begin", account="account", kind="totp", proof="passport")
        # Sent later, answered first: the call above has been read.
        assert broker.connect().call("Whoami")["service"] == "checkout"
        broker.clock.advance(60_000)
        answer = waiting.read()
        assert answer["error"] == "org.countersign.Unavailable" and answer["parameters"]["what"] == "factor"
        assert "step=load" in broker.log()
        assert broker.admin.call("Admin.Events", account="account")["events"] == []
    finally:
        broker.stop()
