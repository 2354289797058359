# SPDX-License-Identifier: Apache-2.0
"""Daemons that refuse, break, lie, and names that people chose to drive a terminal (attack X4)."""
import json

import pytest

from fake_broker import Error

STATUS = "org.countersign.Admin.Status"


@pytest.mark.parametrize("error, code, words", [
    (Error("NotFound", what="account"), 3, "there is no such account"),
    (Error("NotPermitted", right="admin"), 1, "admin { uid"),
    (Error("NotAuthenticated"), 1, "admin { uid"),
    (Error("InvalidParameter", field="target", reason="is too long"), 2, "target: is too long"),
    (Error("Conflict", what="not frozen"), 1, "not frozen"),
    (Error("TooMany", what="calls", retry_after_ms=5), 4, "try again"),
    (Error("Unavailable", what="store", retry_after_ms=5), 4, "cannot answer now: store"),
    (Error("org.varlink.service.MethodNotFound", method="X"), 6, "another version"),
    (Error("org.varlink.service.InterfaceNotFound", interface="X"), 6, "admin socket?"),
    (Error("New\x1b[2J"), 6, "does not speak"),
    (Error("New"), 6, "org.countersign.New"),
    (Error("NotFound"), 3, "no such"),
    (Error("NotFound", what=["x"]), 3, "no such"),
])
def test_refusals(ask, error, code, words):
    done = ask({STATUS: error}, "status")
    assert done.returncode == code and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("data, code", [
    (b"", 4), (b'{"parameters":', 4), (b"\0", 6), (b"garbage\0", 6), (b"[]\0", 6), (b'{"parameters":[]}\0', 6),
    (b"x" * 70000, 6), (b'{"a":1}\0', 6), (b"[" * 40 + b"]" * 40 + b"\0", 6), (b'{"parameters":{}}\0more', 6),
    (b'{"parameters":{"a":"\xff"}}\0', 6),
])
def test_what_is_no_reply(ask, data, code):
    done = ask({STATUS: data}, "status")
    assert done.returncode == code and done.stdout == ""
    assert done.stderr.startswith("countersignctl: ") and done.stderr.count("\n") == 1


EVIL = "\x1b[2J\x1b]0;pwned\x07\r\nroot permit\u202e\u0085\x7f\u2028\\"


@pytest.mark.parametrize("args", [["status"], ["status", "--json"]])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_nothing_drives_the_terminal(ask, args, locale):
    reply = {EVIL: EVIL, "list": [EVIL], "table": [{EVIL: EVIL, "state": EVIL}], "object": {EVIL: {EVIL: EVIL}},
             "realm": "苹果", "frozen": EVIL}
    done = ask({STATUS: reply}, *args, LC_ALL=locale)
    assert done.returncode == 0
    for character in "\x1b\x07\r\u202e\u0085\x7f\u2028":
        assert character not in done.stdout
    assert "\nroot permit" not in done.stdout
    if "--json" in args:
        assert json.loads(done.stdout) == reply
    if locale == "C":
        assert done.stdout.isascii()
    else:
        assert "苹果" in done.stdout


def test_an_evil_error_does_not_either(ask):
    done = ask({STATUS: Error("NotFound", what=EVIL)}, "status")
    assert done.returncode == 3 and "\x1b" not in done.stderr and done.stderr.count("\n") == 1


def test_an_empty_answer_is_printed_as_nothing(ask):
    assert ask({"org.countersign.Admin.Providers": {}}, "provider", "list").returncode == 0
    assert ask({STATUS: {}}, "status").stdout == "running\n\n"
    assert ask({"org.countersign.Admin.Account": {}}, "link", "list", "a").returncode == 6
    assert ask({"org.countersign.Admin.Explain": {}}, "explain", "a", "b", "1", "CNY", "p").returncode == 1


def test_a_full_disk_is_noticed(build, ask):
    import subprocess
    with open("/dev/full", "w") as full:
        done = subprocess.run([build / "countersignctl", "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 6 and "cannot write" in done.stderr
