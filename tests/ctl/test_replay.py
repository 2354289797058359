# SPDX-License-Identifier: Apache-2.0
"""replay against a daemon that is a script: pages, the bar, and rows that are none."""
import json
import os
import pty
import subprocess

import pytest

from fake_broker import FakeBroker

STATUS = {"version": "1", "realm": "test", "generation": 1, "policy": "00", "uptime_s": 1, "store": {"log_last": 3072},
          "processes": [], "providers": [], "plugins": [], "signals": [], "uid_separation": False, "counters": {}, "gateway": "none"}


def row(seq):
    """The broker's start, as the first event of its own record."""
    return (seq.to_bytes(8, "little") + bytes(16) + (1).to_bytes(8, "little")).hex() + (
        "011a30dea5c4b9c068" + "00" * 32 + "00800000000200000448819738fa8120772fb4dd18c9d22fb3")


def log_of(*pages):
    """Answers Admin.Log page by page: a page is a list of rows and where to go on."""
    left = list(pages)

    def answer(parameters):
        return left.pop(0) if left else {"rows": [], "next": parameters["after"]}
    return {"org.countersign.Admin.Status": STATUS, "org.countersign.Admin.Log": answer}


@pytest.fixture
def config(source):
    return source / "tests/ctl/files/countersign.conf"


def test_it_reads_page_after_page(ask, config):
    done = ask(log_of({"rows": [row(1), row(2)], "next": 2}, {"rows": [row(3)], "next": 3}),
               "replay", "--config", config, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 3 and done.stderr == ""
    assert [call[1].get("after") for call in done.calls if call[0].endswith(".Log")] == [0, 2, 3]


def test_an_empty_log_is_no_mistake(ask, config, tmp_path):
    done = ask(log_of(), "replay", "--config", config, "--html", tmp_path / "r.html")
    assert done.returncode == 0 and "0 decisions" in done.stdout
    assert "nothing was decided" in (tmp_path / "r.html").read_text()


def test_a_report_that_cannot_be_written_is_said(ask, config):
    done = ask(log_of(), "replay", "--config", config, "--html", "/nonexistent/r.html")
    assert done.returncode == 6 and "/nonexistent/r.html" in done.stderr


@pytest.mark.parametrize("bad", ["", "zz", "00", row(1)[:-1], row(1)[:-2], row(1) + "00"])
def test_a_row_that_is_none_is_refused(ask, config, bad):
    done = ask(log_of({"rows": [bad], "next": 1}), "replay", "--config", config)
    assert done.returncode == 6 and done.stderr.startswith("countersignctl: ")


def test_a_daemon_that_goes_round_in_circles_is_left(ask, config):
    done = ask(log_of({"rows": [row(1)], "next": 1}, {"rows": [row(1)], "next": 1}), "replay", "--config", config)
    assert done.returncode == 0


@pytest.mark.parametrize("options, shown", [([], True), (["--json"], False)])
def test_the_bar_is_for_terminals_and_goes_away(build, config, options, shown):
    pages = [{"rows": [row(seq)], "next": seq} for seq in (1024, 2048, 3072)]
    master, slave = pty.openpty()
    with FakeBroker(log_of(*pages)) as broker:
        done = subprocess.run([build / "countersignctl", "--socket", broker.path, "--config", config, *options, "replay"],
                              stdout=subprocess.PIPE, stderr=slave, stdin=subprocess.DEVNULL, timeout=20)
    os.close(slave)
    text = b""
    try:
        while data := os.read(master, 4096):
            text += data
    except OSError:
        pass
    os.close(master)
    assert done.returncode == 0
    if not shown:
        assert text == b""
        return
    assert b"33 %  event 1024 of 3072" in text and text.startswith(b"\r[")
    assert text.rsplit(b"\r", 2)[1].strip() == b"" and text.endswith(b"\r")
