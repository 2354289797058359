# SPDX-License-Identifier: Apache-2.0
"""The manual against the program: options, exit statuses, events."""
import pathlib
import re
import subprocess

from terminal import HERE, PROGRAM

TOP = HERE / ".." / ".."
MANUAL = (TOP / "broker/prompt/countersign-prompt.1").read_text()


def test_options():
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  --([a-z]+)", text, flags=re.M)) == set(re.findall(r"^\.It .*Fl -([a-z]+)", MANUAL, flags=re.M))


def test_events_and_wishes():
    source = (TOP / "broker/prompt/json.c").read_text() + (TOP / "broker/prompt/enrol.c").read_text()
    events = set(re.findall(r'\] = "(\w+)"', source)) | set(re.findall(r'(?:json_event|event_begin)\([^,]+, "(\w+)"', source))
    for word in events | set(re.findall(r'\{"(\w+)", CS_REPLY', source)):
        assert re.search(rf"\b{word}\b", MANUAL), word


def test_exit_statuses():
    header = (TOP / "broker/prompt/prompt.h").read_text()
    section = MANUAL.split(".Sh EXIT STATUS")[1]
    assert set(re.findall(r"PROMPT_\w+ = (\d)", header)) == set(re.findall(r"^\.It (\d)", section, flags=re.M))


def test_the_manual_is_well_formed():
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", pathlib.Path(TOP / "broker/prompt/countersign-prompt.1")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
