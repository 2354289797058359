#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""A program as a plugin of every kind, honest or not: an ID token, an answer or a payee of "!WORD" says how it misbehaves."""
import base64
import ctypes
import json
import os
import signal
import socket
import sys

peer, rest, settings, secrets = socket.socket(fileno=3), b"", {}, {}


class No(Exception):
    pass


def plain(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read():
    global rest
    while b"\0" not in rest:
        part = peer.recv(65536)
        if not part:
            raise SystemExit(0)
        rest += part
    message, rest = rest.split(b"\0", 1)
    return json.loads(message)


def write(message):
    peer.sendall(json.dumps(message).encode() + b"\0")


def host(method, /, **parameters):
    write({"method": "org.countersign.Host." + method, "parameters": parameters})
    return read()


def misbehave(word, request):
    """What is answered instead; None: nothing more."""
    if not word.startswith("!"):
        return None
    how = word[1:]
    if how == "crash":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(0)
    elif how == "hang":
        signal.pause()
    elif how == "garbage":
        peer.sendall(b"\xff\xfe{]\0")
        signal.pause()
    elif how == "two":
        write({"parameters": {"request": request, "score": 1}})
    elif how == "long":
        peer.sendall(b"x" * 200000)
        signal.pause()
    elif how == "stranger":
        raise No("org.example.Error", {"reason": "bad_code"})
    elif how == "crossed":
        raise No("org.countersign.Plugin.Refused", {"reason": "unreachable"})
    elif how == "refuse":
        raise No("org.countersign.Plugin.Refused", {"reason": "bad_code"})
    elif how == "fail":
        raise No("org.countersign.Plugin.Failed", {"reason": "unreachable"})
    elif how == "print":
        print("a line on its output", flush=True)
        print("a line on\x1b[31m its errors\nwarn forged", file=sys.stderr, flush=True)
    elif how == "flood":
        for _ in range(20000):
            print("x" * 100, flush=True)
    elif how == "log":
        assert host("Log", level="info", text="said by\nthe program") == {"parameters": {}}
        assert host("Log", level="loud", text="")["error"] == "org.varlink.service.InvalidParameter"
        assert host("Sign", key="")["error"] == "org.varlink.service.MethodNotFound"
    elif how == "descriptors":
        return {"display": " ".join(sorted(os.listdir("/proc/self/fd"))),
                "subject": str(sorted(os.environ))}
    elif how.startswith(("http ", "shows ")):
        word, url = how.split(" ")
        got = host("Http", url=url, method="PUT", body=plain(b"hello"), shows_certificate=word == "shows")
        return {"display": json.dumps(got.get("parameters")) if "error" not in got else got["parameters"]["reason"]}
    elif how == "settings":
        return {"display": json.dumps([settings, secrets], sort_keys=True)}
    elif how == "mount":
        ctypes.CDLL(None).mount(b"none", b"/mnt", b"tmpfs", 0, None)
    elif how.startswith("read "):
        try:
            return {"display": open(how[5:]).readline()}
        except OSError as problem:
            return {"display": problem.strerror}
    elif how == "lie":
        return {"request": "another"}
    elif how == "types":
        return {"subject": 7}
    return {}


def identify(p):
    changed = misbehave(p["id_token"], p["request"]) or {}
    return {"issuer": "https://odd.test", "subject": p["id_token"], "audience": p["client_ids"][0], "nonce": p["nonce"],
            "issued_at": p["now_ms"], "expires_at": p["now_ms"] + 60000, "was_issuer": "https://odd.test", "was_subject": "before",
            "evidence": ["phone 1731000000 +8613812345678", "email 0"], **changed}


def verify(p):
    misbehave(p.get("answer", ""), p["request"])
    if p.get("answer") == "more":
        return {"verdict": False, "more": True, "state": plain(b"s"), "steps": [
            {"type": "choice", "label": "Which?", "choices": ["one", "two"]}, {"type": "approve"}]}
    return {"verdict": p.get("answer") == "right", "step": 5 if p.get("answer") == "right" else -1}


CALLS = {
    "Describe": lambda p: {
        "name": "odd", "version": "1", "help": "For tests.", "kinds": ["provider", "factor", "risk", "notify", "token", "later"],
        "factor_kind": "odd", "operations": ["signal", "poll", "stream", "rekey", "begin", "tell", "later"], "uses_http": True,
        "assurance": ["stable_subject", "later"], "controls": ["phone:+86"],
        "keys": [{"name": "colour", "type": "word", "words": "red green", "default": "red", "help": "Which."},
                 {"name": "names", "type": "string", "many": True, "min": 1, "max": 9, "help": "Whose."},
                 {"name": "password", "type": "secret", "help": "What."}]},
    "SelfTest": lambda p: {},
    "AuthorizationUrl": lambda p: {"url": p["redirect_uri"] + "?" + p["state"]},
    "Identify": identify,
    "Signal": lambda p: {"issuer": "https://odd.test", "id": "j", "audience": p["client_ids"][0], "issued_at": 1, "events": [
        {"name": "session-revoked", "issuer": "https://odd.test", "subject": p["body"], "at": 2}, {"name": "other"}]},
    "Poll": lambda p: {"sets": [{"id": i, "set": plain(i.encode())} for i in p["taken"]], "more": True},
    "Stream": lambda p: {"document": json.dumps({"action": p["action"]})},
    "Rekey": lambda p: {"issuer": p["issuer"], "subject": p["subject"] + "-new"},
    "Enrol": lambda p: {"secret": plain(b"\0secret"), "steps": [{"type": "show", "uri": "otpauth://totp/x"},
                                                               {"type": "code", "label": "Code", "digits": 6}]},
    "Verify": verify,
    "Begin": lambda p: {"state": plain(str(p["number"]).encode()), "destination": "+86 138****", "steps": [{"type": "text", "label": "?"}],
                        "expires_ms": p["now_ms"] + 1000},
    "Tell": lambda p: {},
    "Assess": lambda p: {"score": p["amount"], "reason": "because", **(misbehave(p.get("payee", ""), p["request"]) or {})},
    "Deliver": lambda p: {},
    "CheckToken": lambda p: {"issuer": "https://odd.test", "client": p["token"], "expires_at": 9},
}


def configure(p):
    settings.update({s["name"]: s["values"] for s in p["settings"]})
    secrets.update({s["name"]: s["value"] for s in p["secrets"]})
    if settings.get("names") == ["bad"]:
        host("Log", level="error", text="names must not be bad")
        raise No("org.countersign.Plugin.Failed", {"reason": "invalid"})
    return {"code_parameter": settings["colour"][0]}


CALLS["Configure"] = configure
while True:
    call = read()
    parameters = call.get("parameters", {})
    try:
        answer = CALLS[call["method"].rsplit(".", 1)[-1]](parameters)
        write({"parameters": {**({"request": parameters["request"]} if "request" in parameters else {}), **answer}})
    except No as no:
        write({"error": no.args[0], "parameters": no.args[1]})
