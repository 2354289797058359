# SPDX-License-Identifier: Apache-2.0
"""The table of README.md tells the truth: where it sends a reader, the attack is played."""
import os
import re

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
NUMBERS = [f"{letter}{n}" for letter, last in (("L", 16), ("S", 19), ("M", 9), ("X", 10)) for n in range(1, last + 1)]


def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as f:
        return f.read()


TABLE = {row[0]: row[1] for row in re.findall(r"^\| ([LSMX]\d+) \| .*? \| (.*) \|$", read("README.md"), re.M)}


def played(name):
    """The numbers that the tests of a file begin with."""
    tests = re.findall(r"^def test_((?:[LSMXlsmx]\d+_)+)", read(name), re.M)
    return {number.upper() for test in tests for number in test.split("_") if number}


FILES = [name for name in sorted(os.listdir(HERE)) if name.startswith("test_") and name != "test_table.py"]


def test_every_attack_has_its_line():
    assert list(TABLE) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_line_sends_to_what_there_is(number):
    line = TABLE[number]
    for name in re.findall(r"`(test_\w+\.py)`", line):
        assert number in played(name), (number, name)
    for path in re.findall(r"`(tests/[\w/]+\.(?:py|c))`", line):
        assert os.path.exists(os.path.join(HERE, "..", "..", path)), path
    cases = read("..", "unit", "test_decide.c")
    for case in re.findall(r"`([a-z][a-z_]+)`", "".join(re.findall(r"unit: ((?:`\w+`(?:, )?)+)", line))):
        assert f"CASE({case})" in cases, case
    assert re.search(r"`test|unit:|`tests/|\*not yet\*", line), line


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_where_it_plays(name):
    for number in played(name):
        assert f"`{name}`" in TABLE[number], (number, name)
