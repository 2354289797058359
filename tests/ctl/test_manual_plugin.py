# SPDX-License-Identifier: Apache-2.0
"""countersign-plugin(3) against plugin.h: every struct as it is, every constant, nothing that is not there, and an example that works."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(os.environ.get("CS_SRCDIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("CS_BUILDDIR", os.getcwd()))


@pytest.fixture(scope="module")
def header():
    """plugin.h without comments and empty lines."""
    text = (TOP / "include/countersign/plugin.h").read_text()
    return re.sub(r"\n\s*\n+", "\n", re.sub(r"[ \t]*/\*.*?\*/", "", text, flags=re.S))


@pytest.fixture(scope="module")
def page():
    return (TOP / "broker/worker/countersign-plugin.3").read_text()


def constants(header):
    names = set(re.findall(r"^#define (COUNTERSIGN_\w+)", header, flags=re.M)) - {"COUNTERSIGN_PLUGIN_H"}
    for body in re.findall(r"^enum[^{;]*\{(.*?)\};", header, flags=re.S | re.M):
        names |= {re.match(r"\s*(\w+)", part)[1] for part in body.split(",") if part.strip()}
    return names


def test_every_struct_is_there_as_it_is(header, page):
    structs = re.findall(r"^struct \w+ \{\n.*?^\};", header, flags=re.S | re.M)
    assert len(structs) > 40
    assert [struct for struct in structs if struct not in page] == []


def test_every_constant_is_there_and_no_other(header, page):
    names = constants(header)
    assert len(names) > 70
    assert names - set(re.findall(r"COUNTERSIGN_\w+", page)) == set()
    assert set(re.findall(r"COUNTERSIGN_\w+", page)) - names == set()


def test_every_function_is_there(header, page):
    for name in re.findall(r"^(countersign_\w+)\(", header, flags=re.M):
        assert f".Fn {name} " in page


def test_every_member_is_spoken_of(header, page):
    """Beside the declarations themselves; what speaks for itself is named here."""
    plain = {"size", "reserved", "context", "call", "out", "in", "request", "language", "operation", "url", "accept", "authorization",
             "content_type", "body", "status", "type", "code", "subject", "audience", "nonce", "client_id", "redirect_uri",
             "code_challenge", "state", "now_ms", "instance", "default_value", "issued_at_ms", "expires_at_ms"}
    prose = re.sub(r"^\.Bd -literal$.*?^\.Ed$", "", page, flags=re.S | re.M)
    words = set(re.findall(r"\w+", prose))
    for table in ("countersign_plugin_v1", "countersign_host_v1", "countersign_provider_v1", "countersign_factor_v1",
                  "countersign_profile", "countersign_identity", "countersign_verify_answer", "countersign_begin_answer",
                  "countersign_token_answer", "countersign_signal_answer", "countersign_poll", "countersign_poll_answer"):
        body = re.search(rf"^struct {table} \{{\n(.*?)^\}};", header, flags=re.S | re.M)[1]
        members = set(re.findall(r"(?:\(\*(\w+)\)|(\w+)(?:\[\w+\])?;)", body))
        members = {a or b for a, b in members} - plain
        missing = {m for m in members if m not in words and not m.endswith("_count") and m not in
                   ("provider", "factor", "risk", "notify", "token", "abi", "ids", "sets", "issuer")}
        assert missing == set(), table


def test_the_keys_of_the_host(page):
    said = re.findall(r'^#define SETTINGS_\w+ "([a-z-]+)"', (TOP / "broker/worker/settings.h").read_text(), flags=re.M)
    assert len(said) == 4
    assert [key for key in said if f".Li {key}" not in page] == []


def test_the_example_is_a_plugin(page, tmp_path):
    compiler = os.environ.get("CC", "cc").split()[-1]
    if shutil.which(compiler) is None:
        pytest.skip("there is no C compiler")
    source = tmp_path / "amount.c"
    source.write_text(re.search(r"^#include <countersign/plugin.h>\n.*?(?=^\.Ed)", page, flags=re.S | re.M)[0])
    subprocess.run([compiler, "-Wall", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-I", TOP / "include", "-o",
                    tmp_path / "amount.so", source], check=True)
    (tmp_path / "amount.so").chmod(0o755)
    done = subprocess.run([BUILD / "countersign-worker", "--check", tmp_path / "amount.so"], capture_output=True, text=True)
    assert done.returncode == 0 and '"name":"amount"' in done.stdout, done.stderr
