# SPDX-License-Identifier: Apache-2.0
"""countersignctl(8) holds every command and option that help shows, and no other."""
import re
import subprocess

import pytest


@pytest.fixture(scope="module")
def manual(source):
    return (source / "broker/ctl/countersignctl.8").read_text()


def test_every_command(run, manual):
    shown = set()
    for line in run("help").stdout.split("options")[0].splitlines()[2:]:
        match = re.match(r"  ([a-z]+(?: [a-z-]+)?)((?: \[?[A-Z:.]+\]?)*) ", line)
        if match:
            shown.add((match[1], match[2].replace("[", "").replace("]", "").strip()))
    described = set()
    for line in re.findall(r"^\.It Ic (.*)", manual, flags=re.M):
        words, arguments = (re.split(r" (?:Op )?Ar ", line, maxsplit=1) + [""])[:2]
        described.add((words, arguments.replace("Op Ar ", "")))
    assert shown == described


def test_every_option(run, manual):
    shown = set(re.findall(r"^  --([a-z-]+)", run("help").stdout, flags=re.M))
    assert shown == set(re.findall(r"^\.It.* Fl Fl ([a-z-]+)", manual, flags=re.M))


def test_every_exit_code(source, manual):
    header = (source / "broker/ctl/ctl.h").read_text()
    assert set(re.findall(r"CTL_[A-Z_]+ = (\d)", header)) == set(re.findall(r"^\.It (\d)", manual, flags=re.M))


PAGES = ["broker/ctl/countersignctl.8", "broker/client/libcountersign.3", "broker/parent/countersignd.8",
         "broker/parent/countersign.conf.5", "broker/parent/countersign-stack.5", "broker/worker/countersign-plugin.3"]


@pytest.mark.parametrize("page", PAGES)
def test_it_is_sound_mdoc(source, page):
    try:
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", source / page], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("mandoc is missing: install mandoc")
    problems = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert problems == []
