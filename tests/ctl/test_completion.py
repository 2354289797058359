# SPDX-License-Identifier: Apache-2.0
"""The completion for bash, asked as bash asks it."""
import subprocess

import pytest

SCRIPT = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_countersignctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(source, build):
    def call(*words):
        done = subprocess.run(["bash", "-c", SCRIPT, "bash", source / "broker/ctl/bash/countersignctl",
                               build / "countersignctl", *words], capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.split()
    return call


def test_nouns_and_verbs(complete):
    assert complete("pro") == ["provider"]
    assert {"status", "check", "events", "getent"} <= set(complete(""))
    assert complete("provider", "") == ["list", "freeze", "thaw", "rekey", "rekey-links", "limit", "stream"]
    assert complete("--json", "link", "s") == ["show"]
    assert complete("plugin", "") == ["list", "check", "new", "test", "install", "verify", "remove", "sign"]


def test_options_are_those_of_the_command(complete):
    assert complete("events", "--f") == ["--follow"]
    assert complete("link", "--f") == []
    assert complete("provider", "--per-p") == ["--per-payment"]
    assert {"--kind", "--with", "--key", "--pin", "--untested"} <= set(complete("plugin", "--"))


def test_files_are_those_that_are_there(complete, tmp_path, monkeypatch):
    (tmp_path / "acme.so").touch()
    monkeypatch.chdir(tmp_path)
    for verb in ("check", "test", "install", "sign"):
        assert complete("plugin", verb, "ac") == ["acme.so"]
