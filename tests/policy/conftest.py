# SPDX-License-Identifier: Apache-2.0
"""Where the shipped policies and the built programs are, and configurations around stacks."""
import itertools
import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(os.environ.get("CS_SRCDIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("CS_BUILDDIR", ".")).resolve()
POLICY = SOURCE / "packaging/policy"

# Two providers whose IDs an account has, every kind of factor, and no cooling-off but what a stack asks for.
BASE = """
realm "example"
listen service "/run/countersign/socket"
listen admin "/run/countersign/admin"
store mem
timezone "+08:00"
cooling-off { link 0 factor 0 }
provider "one" { plugin "oidc" }
provider "two" { plugin "oidc" }
factor "totp" { plugin "totp" }
factor "webauthn" { plugin "webauthn" }
factor "otp" { plugin "otp" }
factor "pam" { plugin "pam" }
service "shop" { uid 1001 door unix rights spend refund link enrol respond }
service "setup" { uid 1002 door unix rights link enrol respond }
stacks "services"
"""
SETUP = "link required stepup\nfactor required stepup\n"
# What a stack under test gets where it says nothing of it: these let a case begin.
OTHERWISE = {"grant": "grant required stepup\n", "limit": "limit required stepup\n"}


class Case:
    """One case of a table of vectors: the lines of its stack, and what happens."""

    def __init__(self, pack, title, stack, fragment, first):
        self.pack, self.title, self.stack, self.fragment, self.lines = pack, title, stack, fragment, list(first)

    def __str__(self):
        return f"{self.pack}: {self.title}"


def read_cases(pack):
    """The cases of a pack's table, with what stands before the first of them."""
    heads, cases = {"stack": "", "fragment": "", "factors": ""}, []
    for line in (POLICY / pack / "vectors").read_text().splitlines():
        text = line.partition("#")[0].strip()
        word, _, rest = text.partition(" ")
        if word == "case":
            first = ["factors " + heads["factors"]] if heads["factors"] else []
            cases.append(Case(pack, rest.strip(), heads["stack"], heads["fragment"], first))
        elif not cases and word:
            assert word in heads, f"{pack}: {line}"
            heads[word] = rest.strip()
        elif word == "stack":
            cases[-1].stack = rest.strip()
        elif word == "factors":
            cases[-1].lines = [line]
        elif word:
            cases[-1].lines.append(line)
    return cases


def packs():
    return sorted(path.parent.name for path in POLICY.glob("*/vectors"))


def write_configuration(directory, stack, fragments):
    """A configuration with these lines as the stack of "shop", and every pack's files beside it."""
    services = directory / "services"
    services.mkdir(parents=True)
    for pack in packs():
        for file in (POLICY / pack / "services").iterdir():
            shutil.copy(file, services)
    for file in (SOURCE / "packaging/examples/services").iterdir():
        shutil.copy(file, services)
    lines = "".join(line.strip() + "\n" for line in stack.split(";"))
    lines += "".join(line for operation, line in OTHERWISE.items()
                     if not re.search(rf"^({operation}\s|@include\s+(psd2-rts|common)$)", lines, flags=re.M))
    (services / "shop").write_text(lines)
    (services / "setup").write_text(SETUP)
    text = BASE
    for name in fragments:
        text += (POLICY / name.removesuffix(".conf") / "conf.d" / name).read_text()
    for currency in ("CNY", "EUR", "INR", "SGD", "USD"):
        if f"policy-limits {currency}" not in text:
            text += f"policy-limits {currency} {{ per-payment 1000000 }}\n"
        text += f"trusted-factor-limit {currency} 1000000\n"
    (directory / "countersign.conf").write_text(text)
    return directory / "countersign.conf"


@pytest.fixture
def configure(tmp_path):
    """configure(lines of the stack, fragments...) -> the path of a configuration of its own."""
    numbers = itertools.count()

    def call(stack, *fragments):
        return write_configuration(tmp_path / f"etc{next(numbers)}", stack, fragments)
    return call


@pytest.fixture
def play():
    """play(configuration, lines) -> what differed."""
    def call(configuration, lines):
        done = subprocess.run([BUILD / "tests/policy/vectors", configuration, "shop"], input="\n".join(lines) + "\n",
                              capture_output=True, text=True, timeout=20)
        assert done.stderr == ""
        assert (done.returncode == 0) == (done.stdout == ""), done
        return done.stdout
    return call


@pytest.fixture
def ctl():
    def call(*args):
        return subprocess.run([BUILD / "countersignctl", *args], capture_output=True, text=True, timeout=20,
                              stdin=subprocess.DEVNULL)
    return call
