# SPDX-License-Identifier: Apache-2.0
"""check and plugin: without a daemon."""
import json
import os

import pytest


def test_a_missing_configuration_is_named(run):
    done = run("check", "-f", "/nonexistent/a.conf")
    assert done.returncode == 5 and "/nonexistent/a.conf" in done.stdout


def test_a_bad_word_is_shown_with_its_place_and_mend(run, tmp_path):
    file = tmp_path / "bad.conf"
    file.write_text('realm "x"\n\nfrobnicate "y\x1b[2J"\n')
    done = run("check", "-f", file)
    assert done.returncode == 5
    assert f"{file}:3:1: " in done.stdout and "\x1b" not in done.stdout
    done = run("check", "-f", file, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 5 and not answer["good"]
    problem = answer["problems"][0]
    assert (problem["file"], problem["line"], problem["column"]) == (str(file), 3, 1)
    assert problem["message"] and problem["mend"]


@pytest.fixture
def worker(tmp_path):
    """worker(script) -> a directory with a countersign-worker that runs it."""
    def make(script):
        file = tmp_path / "countersign-worker"
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(0o755)
        return tmp_path
    return make


def test_plugin_check_prints_what_the_plugin_says(run, worker):
    said = {"name": "oidc", "kinds": ["provider"], "version": "1"}
    libexec = worker(f"test \"$1\" = --check && test \"$2\" = /x/oidc.so && echo '{json.dumps(said)}'")
    done = run("plugin", "check", "/x/oidc.so", "--libexec", libexec, "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == said
    done = run("plugin", "check", "/x/oidc.so", "--libexec", libexec)
    assert "kinds    provider" in done.stdout


@pytest.mark.parametrize("script, code", [("echo writable by others >&2; exit 1", 5), ("kill -9 $$", 5),
                                          ("echo nonsense", 6), ("exit 0", 6)])
def test_plugin_check_refuses(run, worker, script, code):
    done = run("plugin", "check", "/x/oidc.so", "--libexec", worker(script))
    assert done.returncode == code and "/x/oidc.so" in done.stderr and done.stdout == ""


def test_plugin_check_without_a_worker(run):
    done = run("plugin", "check", "/x/oidc.so", "--libexec", "/nonexistent")
    assert done.returncode == 6 and "--libexec" in done.stderr


CONF = """realm "example"
run-directory "{0}/run"
state-directory "{0}"
listen service "{0}/run/socket"
listen admin "{0}/run/admin"
store sqlite {{ path "{0}/db" }}
keys {{ file "{0}/key" }}
policy-limits CNY {{ per-payment 1000 per-day 3000 per-month 20000 count-day 100 count-month 1000 }}
factor "totp" {{ plugin "totp" }}
stacks "services"
"""


@pytest.fixture
def configuration(tmp_path):
    (tmp_path / "services").mkdir()
    (tmp_path / "services/other").write_text("spend requisite deny\n")
    file = tmp_path / "countersign.conf"
    file.write_text(CONF.format(tmp_path))
    return file


def test_a_good_configuration(run, configuration):
    done = run("check", "-f", configuration)
    assert done.returncode == 0, done.stdout
    assert f"{configuration}: good" in done.stdout and "factors 1" in done.stdout
    answer = json.loads(run("check", "-f", configuration, "--json").stdout)
    assert (answer["good"], answer["problems"], answer["warnings"]) == (True, [], [])


def test_plugin_list(run, configuration, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "oidc.so").touch()
    (plugins / "notes.txt").touch()
    done = run("plugin", "list", "-f", configuration, "--plugins", plugins, "--json")
    assert json.loads(done.stdout) == [{"plugin": "oidc", "state": "found", "used_by": []},
                                       {"plugin": "totp", "state": "missing", "used_by": ["factor totp"]}]
    assert done.returncode == 5 and "missing" in done.stderr
    (plugins / "totp.so").touch()
    done = run("plugin", "list", "-f", configuration, "--plugins", plugins)
    assert done.returncode == 0 and "factor totp" in done.stdout
    assert run("plugin", "list", "-f", configuration, "--plugins", "/nonexistent").returncode == 5
