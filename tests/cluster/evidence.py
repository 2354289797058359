# SPDX-License-Identifier: Apache-2.0
"""
What is said of accounts that are not served, when a test gives up: by each broker's decision and its reasons, its view of the store, its log,
by the check of the whole store, and by the keys themselves.
"""
import itertools
import json
import os
import subprocess

from harness import BUILD, Client, VarlinkError
from servers import RedisError

CTL = os.path.join(BUILD, "countersignctl")
LOG_LINES, CHECK_LINES, CHECK_S = 40, 40, 60


def told(call, method, **parameters):
    """The reply, or the error, as text: nothing that goes wrong here may hide what went wrong before."""
    try:
        return json.dumps(call(method, **parameters))
    except VarlinkError as error:
        return f"{error.name} {error.parameters}"
    except (OSError, EOFError, ValueError) as error:
        return repr(error)


def of_broker(name, broker, purses):
    yield f"== broker {name}"
    try:
        service, admin = Client(broker.path("service.sock")), Client(broker.path("admin.sock"))
    except OSError as error:
        yield f"does not answer: {error!r}"
    else:
        for n, purse in enumerate(purses):
            yield f"{purse.account}: " + told(service.call, "Payments.Authorize", session=purse.session, explain=True,
                                              payment=purse.payment(f"why-{n}", 100))
            yield f"{purse.account}: " + told(admin.call, "Admin.Account", account=purse.account)
        yield "store: " + told(admin.call, "Admin.Store")
        yield "status: " + told(admin.call, "Admin.Status")
        service.close()
        admin.close()
    yield from [line for line in broker.log().splitlines() if " debug " not in line][-LOG_LINES:]


def checked(broker):
    yield "== store check"
    try:
        done = subprocess.run([CTL, "store", "check", "-f", broker.path("countersign.conf")], capture_output=True, text=True, timeout=CHECK_S,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        yield f"not within {CHECK_S} s"
        return
    yield from (done.stdout + done.stderr).splitlines()[:CHECK_LINES]


def tag(slot_first):
    """The least number whose slot is one of these sixteen."""
    for n in itertools.count():
        crc = 0
        for byte in str(n).encode():
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
        if crc % 16384 // 16 == slot_first // 16:
            return n, crc % 16384


def of_keys(fleet, prefix, purse):
    """The head of an account's bucket, the record's header, and what waits for repair or is held."""
    first = (int(purse.key[:4], 16) >> 6) * 16
    number, slot = tag(first)
    bucket, key = f"{prefix}{{{number}}}".encode(), bytes.fromhex(purse.key)
    server = fleet.master_of(slot) if fleet.mode == "cluster" else fleet.master

    def ask(*words):
        try:
            return server.call(*words, raw=True)
        except (OSError, EOFError, RedisError) as error:
            return repr(error)

    yield f"== {purse.account}: key {purse.key}, bucket {first // 16}, tag {number}, slot {slot} at {server.address}"
    yield f"head: {ask('HGETALL', bucket + b'h')}"
    yield f"record: {ask('STRLEN', bucket + b'r' + key)} bytes, header {ask('GETRANGE', bucket + b'r' + key, 0, 39)}"
    for what, name in (("repair area", bucket + b"q"), ("held", bucket + b"y" + key)):
        yield f"{what}: {ask('HKEYS', name)}"


def of(realm, purses):
    lines = []
    for n, broker in enumerate(realm.brokers):
        lines += of_broker(f"b{n}", broker, purses)
    lines += checked(next((b for b in realm.brokers if b.running()), realm.brokers[0]))
    for purse in purses:
        if purse.key and realm.fleet.mode != "sentinel":
            lines += of_keys(realm.fleet, realm.prefix, purse)
    return "\n".join(lines)
