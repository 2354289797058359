# SPDX-License-Identifier: Apache-2.0
"""The plugin webauthn in its worker, against an authenticator in software: what is accepted, and each refusal."""

import json
import os

import pytest

from cryptography.hazmat.primitives.asymmetric import ec

from passkey import AT, BE, BS, UP, UV, Passkey, b64, cose, private_key, unb64
from worker_process import Refused, Worker, now_ms

RP, ORIGIN = "pay.example", "https://pay.example"
BASE = f'set rp-id "{RP}"\nset origin "{ORIGIN}" "https://m.pay.example"\n'
CHALLENGE = bytes(range(48))


class Plugin:
    def __init__(self, worker):
        assert worker.ready, worker.log()
        self.worker, self.connection = worker, worker.connect()

    def enrol(self):
        got = self.connection.call("Enrol", deadline_ms=5000, request="r1", account_hint="al***ce", issuer="Shop",
                                   now_ms=now_ms())
        step, = got["steps"]
        assert step["type"] == "passkey"
        return got["secret"], json.loads(step["options"])

    def verify(self, secret, answer, **more):
        parameters = {"deadline_ms": 5000, "request": "r1", "secret": secret, "answer": answer, "last_step": -1,
                      "now_ms": now_ms(), **more}
        return self.connection.call("Verify", **parameters)

    def register(self, passkey, **changes):
        secret, options = self.enrol()
        passkey.user_handle = unb64(options["user"]["id"])
        return self.verify(secret, passkey.register(options["challenge"], **changes))

    def registered(self, passkey, **changes):
        """The record of a new passkey."""
        got = self.register(passkey, **changes)
        assert got["verdict"], self.worker.log()[-500:]
        return got["secret"]

    def answer(self, secret, answer, challenge=CHALLENGE, operation="spend", last_step=0):
        return self.verify(secret, answer, challenge=b64(challenge), operation=operation, last_step=last_step)

    def refuses(self, got, why):
        assert (got["verdict"], got["step"], got.get("secret")) == (False, -1, None)
        assert why in self.worker.log().splitlines()[-2] + self.worker.log().splitlines()[-1], self.worker.log()[-500:]


@pytest.fixture(scope="module")
def module_workers():
    import shutil
    import tempfile
    made = {}

    def start(settings=""):
        if settings not in made:
            directory = tempfile.mkdtemp(prefix="cs-")
            made[settings] = Plugin(Worker(directory, "webauthn", "factor", BASE + settings))
        return made[settings]

    yield start
    for plugin in made.values():
        plugin.worker.stop()
        shutil.rmtree(plugin.worker.directory)


@pytest.fixture
def plugin(module_workers):
    return module_workers()


@pytest.fixture
def passkey():
    return Passkey(RP, ORIGIN)


def test_options_are_what_a_browser_takes(plugin):
    secret, options = plugin.enrol()
    assert options["rp"] == {"id": RP, "name": "Countersign"}
    assert len(unb64(options["challenge"])) == 32 and len(unb64(options["user"]["id"])) == 16
    assert (options["user"]["name"], options["timeout"]) == ("al***ce", 300_000)
    assert [p["alg"] for p in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert plugin.enrol()[0] != secret


@pytest.mark.parametrize("algorithm, bits", [("ES256", 0), ("EdDSA", 0), ("RS256", 2048), ("RS256", 3072), ("RS256", 4096)])
@pytest.mark.parametrize("attestation", ["none", "self", "packed"])
def test_round_trip(plugin, algorithm, bits, attestation):
    passkey = Passkey(RP, ORIGIN, algorithm, bits=bits)
    secret = plugin.registered(passkey, attestation=attestation)
    assert plugin.answer(secret, passkey.sign(CHALLENGE)) == {"request": "r1", "verdict": True, "step": 0}


def test_u2f_key(plugin, passkey):
    secret = plugin.registered(passkey, attestation="fido-u2f")
    assert plugin.answer(secret, passkey.sign(CHALLENGE))["verdict"]


@pytest.mark.parametrize("id_len", [1, 16, 1023])
def test_ids_of_any_length_that_is_allowed(plugin, id_len):
    passkey = Passkey(RP, ORIGIN, id_len=id_len)
    assert plugin.answer(plugin.registered(passkey), passkey.sign(CHALLENGE))["verdict"]


def test_longest_record_fits(plugin):
    passkey = Passkey(RP, ORIGIN, "RS256", id_len=1023, bits=4096)
    assert plugin.answer(plugin.registered(passkey), passkey.sign(CHALLENGE))["verdict"]


@pytest.mark.parametrize("id_len", [0, 1024])
def test_ids_of_another_length(plugin, id_len):
    passkey = Passkey(RP, ORIGIN, id_len=id_len)
    plugin.refuses(plugin.register(passkey, id=passkey.id or b"x"), "authenticator data is malformed")


@pytest.mark.parametrize("changes", [
    {"prefix": b"\xef\xbb\xbf"},
    {"client": {"extraData": "more", "other_keys_can_be_added_here": {"a": [1]}}},
    {"client": {"origin": "https://m.pay.example"}},
    {"client": {"crossOrigin": None}},
    {"flags": UP | UV | BE | BS}, {"flags": UP | UV | BE},
    {"extensions": {"new": [1, {"a": b"b"}], "credBlob": True, "credProtect": 2, "hmac-secret": True,
                    "minPinLength": 4}},
])
@pytest.mark.parametrize("attestation", ["none", "packed"])
def test_registrations_that_are_right_in_another_way(plugin, passkey, changes, attestation):
    assert plugin.register(passkey, attestation=attestation, **changes)["verdict"], plugin.worker.log()[-300:]


REGISTRATIONS = [
    ({"type": "webauthn.get"}, "of another type"),
    ({"client": {"type": "payment.get"}}, "of another type"),
    ({"client": {"challenge": b64(bytes(32))}}, "another challenge"),
    ({"client": {"origin": "https://evil.example"}}, "another origin"),
    ({"client": {"origin": "https://x.pay.example"}}, "another origin"),
    ({"client": {"origin": "http://pay.example"}}, "another origin"),
    ({"client": {"origin": "https://pay.example:8443"}}, "another origin"),
    ({"client": {"origin": None}}, "client data is malformed"),
    ({"client": {"crossOrigin": True}}, "frame of another site"),
    ({"client": {"topOrigin": "https://pay.example"}}, "frame of another site"),
    ({"prefix": b"x"}, "client data is malformed"),
    ({"prefix": b"\xff"}, "client data is malformed"),
    ({"rp_id": "evil.example"}, "another relying party"),
    ({"flags": UV}, "not present"),
    ({"flags": UP}, "not verified"),
    ({"flags": UP | UV | BS}, "not eligible"),
    ({"behind": b"\0"}, "authenticator data is malformed"),
    ({"id_len": 2000}, "authenticator data is malformed"),
    ({"id": b"another"}, "another credential"),
    ({"attestation": "tpm"}, "format that is not known"),
    ({"attestation": "none", "statement": {"alg": -7}}, "attestation is wrong"),
    ({"attestation": "self", "bad_statement": True}, "attestation is wrong"),
    ({"attestation": "self", "statement_alg": -257}, "attestation is wrong"),
    ({"attestation": "packed", "bad_statement": True}, "attestation is wrong"),
    ({"attestation": "fido-u2f", "bad_statement": True}, "attestation is wrong"),
    ({"attestation": "packed", "certificate": {"unit": "Sales"}}, "not one of an authenticator"),
    ({"attestation": "packed", "certificate": {"ca": True}}, "not one of an authenticator"),
    ({"attestation": "packed", "certificate": {"extension": bytes(16)}}, "not one of an authenticator"),
    ({"attestation": "fido-u2f", "batch": ec.generate_private_key(ec.SECP384R1())}, "not one of an authenticator"),
    ({"cose": {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}}, "not offered"),
    ({"cose": {1: 2, 3: -7, -1: 6, -2: bytes(32), -3: bytes(32)}}, "not offered"),
    ({"cose": cose("ES384", private_key("ES384"))}, "not offered"),
    ({"cose": cose("RS256", private_key("RS256", 1024))}, "not offered"),
    ({"answer": {"type": "password"}}, "no credential"),
    ({"answer": {"response": {}}}, "no credential"),
    ({"answer": {"rawId": "eA"}}, "no credential"),
]


@pytest.mark.parametrize("changes, why", REGISTRATIONS)
def test_refused_registration(plugin, passkey, changes, why):
    plugin.refuses(plugin.register(passkey, **changes), why)


ASSERTIONS = [
    ({"type": "webauthn.create"}, "of another type"),
    ({"client": {"challenge": b64(CHALLENGE[:-1])}}, "another challenge"),
    ({"client": {"challenge": b64(CHALLENGE) + "="}}, "another challenge"),
    ({"client": {"origin": "https://evil.example"}}, "another origin"),
    ({"client": {"crossOrigin": True}}, "frame of another site"),
    ({"client": {"topOrigin": "https://shop.example"}}, "frame of another site"),
    ({"rp_id": "evil.example"}, "another relying party"),
    ({"flags": UV}, "not present"),
    ({"flags": UP}, "not verified"),
    ({"flags": UP | UV | BS}, "not eligible"),
    ({"flags": UP | UV | BE}, "eligibility for backup changed"),
    ({"flags": UP | UV | AT}, "authenticator data is malformed"),
    ({"id": b"another"}, "another credential"),
    ({"user_handle": b"somebody else"}, "another user handle"),
    ({"key": private_key("ES256")}, "signature is wrong"),
    ({"key": private_key("EdDSA"), "algorithm": "EdDSA"}, "signature is wrong"),
    ({"answer": {"response": {"clientDataJSON": "e30"}}}, "no credential"),
]


@pytest.mark.parametrize("changes, why", ASSERTIONS)
def test_refused_assertion(plugin, passkey, changes, why):
    secret = plugin.registered(passkey)
    plugin.refuses(plugin.answer(secret, passkey.sign(CHALLENGE, **changes)), why)
    assert plugin.answer(secret, passkey.sign(CHALLENGE))["verdict"]


@pytest.mark.parametrize("text", ["", "123456", "{}", "[]", "null", "{" * 5000, '{"id":"x"}', "\\u0000"])
def test_answer_that_is_none(plugin, passkey, text):
    plugin.refuses(plugin.answer(plugin.registered(passkey), text), "no credential")


def test_counter_must_grow_once_it_was_used(plugin):
    passkey = Passkey(RP, ORIGIN, counter=5)
    secret = plugin.registered(passkey)
    assert plugin.answer(secret, passkey.sign(CHALLENGE, counter=6), last_step=5)["step"] == 6
    for counter in (0, 4, 5, 6):
        plugin.refuses(plugin.answer(secret, passkey.sign(CHALLENGE, counter=counter), last_step=6), "went back")
    # Not even where the engine had forgotten: the record has the first one.
    plugin.refuses(plugin.answer(secret, passkey.sign(CHALLENGE, counter=5), last_step=-1), "went back")
    assert plugin.answer(secret, passkey.sign(CHALLENGE, counter=2**32 - 1), last_step=6)["step"] == 2**32 - 1


def test_answer_proves_nothing_without_a_challenge(plugin, passkey):
    secret = plugin.registered(passkey)
    for challenge in (b"", CHALLENGE[:15]):
        with pytest.raises(Refused) as error:
            plugin.verify(secret, passkey.sign(challenge), **({"challenge": b64(challenge)} if challenge else {}))
        assert error.value.reason == "invalid"


def test_registration_answers_no_challenge_and_assertion_no_enrolment(plugin, passkey):
    pending, options = plugin.enrol()
    plugin.refuses(plugin.verify(pending, passkey.sign(options["challenge"])), "no credential")
    secret = plugin.registered(passkey)
    plugin.refuses(plugin.answer(secret, passkey.register(CHALLENGE)), "no credential")


def test_record_of_another_passkey(plugin, passkey):
    plugin.registered(passkey)
    other = plugin.registered(Passkey(RP, ORIGIN))
    plugin.refuses(plugin.answer(other, passkey.sign(CHALLENGE)), "another credential")
    # The same id with another key: who registers somebody's id gains nothing.
    thief = Passkey(RP, ORIGIN)
    thief.id = passkey.id
    record = plugin.registered(thief)
    plugin.refuses(plugin.answer(record, passkey.sign(CHALLENGE, user_handle=thief.user_handle)), "signature is wrong")


def test_record_that_is_none(plugin, passkey):
    with pytest.raises(Refused) as error:
        plugin.answer(b64(os.urandom(80)), passkey.sign(CHALLENGE))
    assert error.value.reason == "invalid"


def test_verification_for_payments(module_workers, passkey):
    plugin = module_workers("set user-verification payments\n")
    plugin.refuses(plugin.register(passkey, flags=UP), "not verified")
    secret = plugin.registered(passkey)
    for operation in ("spend", "grant"):
        plugin.refuses(plugin.answer(secret, passkey.sign(CHALLENGE, flags=UP), operation=operation), "not verified")
    assert plugin.answer(secret, passkey.sign(CHALLENGE, flags=UP), operation="link")["verdict"]


def test_verification_preferred(module_workers, passkey):
    plugin = module_workers("set user-verification preferred\n")
    secret = plugin.registered(passkey, flags=UP)
    assert plugin.answer(secret, passkey.sign(CHALLENGE, flags=UP))["verdict"]


def test_attestation_that_is_asked_for(module_workers):
    for word, good in (("signed", {"self", "packed", "fido-u2f"}), ("certificate", {"packed", "fido-u2f"})):
        plugin = module_workers(f"set attestation {word}\n")
        assert plugin.enrol()[1]["attestation"] == "direct"
        for attestation in ("none", "self", "packed", "fido-u2f"):
            got = plugin.register(Passkey(RP, ORIGIN), attestation=attestation)
            if attestation in good:
                assert got["verdict"]
            else:
                plugin.refuses(got, "less than")


def test_frames_of_listed_sites(module_workers, passkey):
    plugin = module_workers('set cross-origin yes\nset top-origin "https://shop.example"\n')
    secret = plugin.registered(passkey)
    inside = {"crossOrigin": True, "topOrigin": "https://shop.example"}
    assert plugin.answer(secret, passkey.sign(CHALLENGE, client=inside))["verdict"]
    for client in ({"crossOrigin": True, "topOrigin": "https://evil.example"}, {"crossOrigin": True}):
        plugin.refuses(plugin.answer(secret, passkey.sign(CHALLENGE, client=client)), "not listed")


def test_log_holds_no_answer(plugin, passkey):
    secret = plugin.registered(passkey)
    plugin.answer(secret, passkey.sign(CHALLENGE))
    assert secret not in plugin.worker.log() and b64(passkey.id) not in plugin.worker.log()


def test_configuration_that_cannot_work(start_worker):
    worker = start_worker("webauthn", "factor", f'set rp-id "{RP}"\nset origin "https://evil.example"\n')
    assert not worker.ready and "rp-id" in worker.log()


# --- approve: the same code as another kind ---

def test_approve_is_the_same_on_a_device(tmp_path, passkey):
    worker = Worker(str(tmp_path), "approve", "factor", BASE)
    try:
        plugin = Plugin(worker)
        made = plugin.register(passkey)
        assert set(made["rests_on"]) >= {"copies:none", "device:yes"}, made
        assert plugin.answer(made["secret"], passkey.sign(CHALLENGE))["verdict"]
        plugin.refuses(plugin.answer(made["secret"], passkey.sign(CHALLENGE, flags=UP)), "verif")
    finally:
        worker.stop()
