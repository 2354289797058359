# SPDX-License-Identifier: Apache-2.0
"""plugin new: what it writes builds against the installed header alone, and is a plugin that says no."""
import json
import os
import re
import shutil
import subprocess

import pytest

KINDS = ["provider", "factor", "risk", "notify", "token"]


@pytest.fixture(scope="session")
def headers(build, tmp_path_factory):
    """The headers as `make install` puts them, and nothing else of the broker."""
    root = tmp_path_factory.mktemp("root")
    done = subprocess.run(["make", "-s", "-C", build, "install-pkgincludeHEADERS", f"DESTDIR={root}"], capture_output=True,
                          text=True, env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})
    assert done.returncode == 0, done.stderr
    found, = root.rglob("countersign/plugin.h")
    return found.parent.parent


@pytest.fixture
def new(build, source, tmp_path):
    """new(words...) -> what `countersignctl plugin new` did in an empty directory."""
    def call(*words):
        return subprocess.run([build / "countersignctl", "plugin", "new", *words, "--skeleton", source / "packaging/plugin-skeleton"],
                              cwd=tmp_path, capture_output=True, text=True, timeout=20)
    return call


def built(directory, *command, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CFLAGS", "LDFLAGS"))}
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, env={**clean, **environment})
    assert done.returncode == 0, done.stdout + done.stderr


def known(build, to):
    """What the broker's own configure found out about this machine, so that libtool does not ask again: a file for it."""
    found = re.findall(r"^(?:lt_cv_[a-z_]+|ac_cv_(?:header|path|func|build|host)\w*)=.*$", (build / "config.log").read_text(), flags=re.M)
    to.write_text("\n".join(found) + "\n")
    return str(to)


def check(run, build, file, kind, name):
    done = run("plugin", "check", file, "--libexec", build, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["kinds"], said["name"]) == ([kind], name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bare_makefile_builds_it(run, new, build, headers, tmp_path, kind):
    done = new("acme-id", "--kind", kind)
    assert done.returncode == 0 and "cd acme-id" in done.stdout, done.stderr
    for file in (tmp_path / "acme-id").iterdir():
        assert "@NAME@" not in file.read_text() and "@IDENT@" not in file.read_text() and "@KIND@" not in file.read_text()
    # countersignctl does not load what an instrumented worker cannot: -shared is enough for both.
    built(tmp_path / "acme-id", "make", f"CPPFLAGS=-I{headers}", "CFLAGS=-O1 -Werror -pedantic")
    shown = subprocess.run(["nm", "-D", "--defined-only", tmp_path / "acme-id/acme-id.so"], capture_output=True, text=True).stdout
    assert shown.split()[2:] == ["countersign_plugin_v1"]
    check(run, build, tmp_path / "acme-id/acme-id.so", kind, "acme-id")


def test_autotools_build_it(run, new, build, headers, tmp_path):
    if shutil.which("autoreconf") is None or shutil.which("libtoolize") is None:
        pytest.skip("autoreconf or libtoolize is missing: install autoconf, automake and libtool")
    done = new("acme-id", "--kind", "factor", "--autotools")
    assert done.returncode == 0 and "./configure" in done.stdout
    built(tmp_path / "acme-id", "autoreconf", "-i", "-Wall")
    built(tmp_path / "acme-id", "./configure", "-q", f"CPPFLAGS=-I{headers}", "CFLAGS=-O1 -Werror",
          CONFIG_SITE=known(build, tmp_path / "site"))
    built(tmp_path / "acme-id", "make", "-s")
    check(run, build, tmp_path / "acme-id/.libs/acme-id.so", "factor", "acme-id")


@pytest.mark.parametrize("words, why", [
    (["Acme"], "a-z, 0-9"), (["../x"], "a-z, 0-9"), (["9x"], "beginning with a letter"), (["x" * 33], "1 to 32"),
    (["x", "--kind", "magic"], "one of provider, factor, risk, notify, token"), (["x", "--make", "--autotools"], "choose one")])
def test_a_bad_wish_makes_nothing(new, tmp_path, words, why):
    done = new(*words)
    assert done.returncode == 2 and why in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(new, tmp_path):
    (tmp_path / "acme").mkdir()
    done = new("acme")
    assert done.returncode == 6 and "choose another name" in done.stderr and list((tmp_path / "acme").iterdir()) == []
