# SPDX-License-Identifier: Apache-2.0
"""The worker with the plugins totp and recovery: what is configured is what happens, and each code works once."""

import base64
import hmac
import struct
import urllib.parse

import pytest

from worker_process import Refused, now_ms

DEADLINE_MS = 5000
CHALLENGE = base64.urlsafe_b64encode(b"challenge one").rstrip(b"=").decode()


def totp(secret, step, digits, algorithm):
    mac = hmac.new(secret, struct.pack(">Q", step), algorithm.lower()).digest()
    at = mac[-1] & 15
    return str((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 10 ** digits).zfill(digits)


def enrol(connection, **changes):
    return connection.call("Enrol", **{"deadline_ms": DEADLINE_MS, "request": "r1", "account_hint": "al***", "issuer": "Corner Shop",
                                       "now_ms": now_ms(), **changes})


def verify(connection, secret, answer, last_step=-1, **more):
    return connection.call("Verify", **{"deadline_ms": DEADLINE_MS, "request": "r2", "secret": secret, "answer": answer,
                                        "last_step": last_step, "now_ms": now_ms(), **more})


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("digits, period, drift", [(6, 30, 1), (8, 60, 0), (7, 15, 2)])
def test_totp_as_configured(start_worker, algorithm, digits, period, drift):
    worker = start_worker("totp", "factor", f"set algorithm {algorithm} set digits {digits} set period {period} set drift {drift}")
    assert worker.ready, worker.log()
    connection = worker.connect()
    begun = enrol(connection)
    assert begun["steps"][1] == {"type": "code", "digits": digits}
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(begun["steps"][0]["uri"]).query))
    assert (query["algorithm"], query["digits"], query["period"]) == (algorithm, str(digits), str(period))
    secret = base64.b32decode(query["secret"] + "=" * (-len(query["secret"]) % 8))
    now = 1_800_000_000_000 // (period * 1000) * period * 1000  # the first moment of a step
    step = now // 1000 // period
    for away in range(-drift - 1, drift + 2):
        got = verify(connection, begun["secret"], totp(secret, step + away, digits, algorithm), now_ms=now)
        assert got["verdict"] == (abs(away) <= drift), away
        assert got["step"] == (step + away if got["verdict"] else -1)
    code = totp(secret, step, digits, algorithm)
    assert verify(connection, begun["secret"], code, last_step=step - 1, now_ms=now)["verdict"]
    assert not verify(connection, begun["secret"], code, last_step=step, now_ms=now)["verdict"]
    assert not verify(connection, begun["secret"], code + "0", now_ms=now)["verdict"]
    assert not verify(connection, begun["secret"], code[1:], now_ms=now)["verdict"]


@pytest.fixture
def recovery(start_worker):
    worker = start_worker("recovery", "factor")
    assert worker.ready, worker.log()
    return worker.connect()


def test_recovery_codes_work_once_each(recovery):
    begun = enrol(recovery, language="en")
    show, ask = begun["steps"]
    codes = show["text"].split("\n")[1:]
    assert show["type"] == "show" and ask["type"] == "text" and len(set(codes)) == 10
    done = verify(recovery, begun["secret"], codes[3])
    assert done["verdict"] and done["step"] == 0 and "secret" not in done
    used = 0
    for index, code in enumerate(codes):
        got = verify(recovery, begun["secret"], code.lower().replace("-", " "), used, challenge=CHALLENGE)
        assert (got["verdict"], got["step"]) == (True, index)
        used |= 1 << index
        assert not verify(recovery, begun["secret"], code, used, challenge=CHALLENGE)["verdict"]
    # Of another set: wrong.
    other = enrol(recovery, language="zh")
    assert not verify(recovery, other["secret"], codes[0], 0, challenge=CHALLENGE)["verdict"]


def test_a_typing_error_is_told_once(recovery):
    begun = enrol(recovery)
    code = begun["steps"][0]["text"].split("\n")[1]
    typed = ("A" if code[0] != "A" else "B") + code[1:]
    first = verify(recovery, begun["secret"], typed, 0, challenge=CHALLENGE)
    assert (first["verdict"], first["more"]) == (False, True) and "typing error" in first["steps"][0]["text"]
    second = verify(recovery, begun["secret"], typed, 0, challenge=CHALLENGE, state=first["state"])
    assert not second["verdict"] and "more" not in second
    assert verify(recovery, begun["secret"], code, 0, challenge=CHALLENGE, state=first["state"])["verdict"]


def test_what_is_no_set_of_codes(recovery):
    for secret in ("AAAA", base64.urlsafe_b64encode(b"\x01\x0a" + bytes(176)).decode().rstrip("=")[:-4]):
        with pytest.raises(Refused):
            verify(recovery, secret, "0123-4567-89AB-CDE4", 0, challenge=CHALLENGE)
