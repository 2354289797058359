# SPDX-License-Identifier: Apache-2.0
"""countersign-stack(5) and the tables of the core hold the same words, in both directions."""
import re

import pytest

from conftest import SOURCE
from test_examples import OPERATIONS

PAGE = (SOURCE / "broker/parent/countersign-stack.5").read_text()
CORE = SOURCE / "broker/core"


def section(name, kind="Sh"):
    return re.search(rf'^\.{kind} {name}\n(.*?)^\.S[hs] ', PAGE, flags=re.S | re.M)[1]


def words_of(text, macro="Cm"):
    return re.findall(rf"^\.It {macro} ([^\s]+)", text, flags=re.M)


def rules_of_the_page():
    """{rule: {its arguments}}, as the entries of RULES say."""
    rules = {}
    for line in section("RULES").splitlines():
        if line.startswith(".It Ic "):
            rule = line.split()[2]
            assert rule not in rules, f"{rule} is described twice"
            rules[rule] = set()
        elif line.startswith(".It Cm "):
            argument = line.split()[2].rstrip("=")
            assert argument not in rules[rule], f"{rule} {argument} is described twice"
            rules[rule].add(argument)
    return rules


def rules_of_the_core():
    text = (CORE / "rule.c").read_text()
    names = dict(re.findall(r'\[(RULE_\w+)\] = WORD\("([^"]+)"\)', text))
    rules = {name: set() for name in names.values()}
    found = re.findall(r'ARGUMENT\("([^"]+)", (RULE_\w+)', text)
    found += re.findall(r'\{WORD\("([^"]+)"\), (RULE_\w+)', text)
    found += [(name, "RULE_LIMIT") for name in re.findall(r'SUM\("([^"]+)"', text)]
    for argument, rule in found:
        if rule == "RULE__COUNT":
            assert argument == "note"       # of every rule; it stands at the head of the section
            assert ".Cm note= Ns Ar NAME" in section("RULES")
        else:
            rules[names[rule]].add(argument)
    return rules


def test_the_core_has_a_table():
    assert len(rules_of_the_core()) > 10 and sum(map(len, rules_of_the_core().values())) > 20


def test_rules():
    assert set(rules_of_the_page()) == set(rules_of_the_core())


@pytest.mark.parametrize("rule", sorted(rules_of_the_page()))
def test_arguments(rule):
    assert rules_of_the_page()[rule] == rules_of_the_core()[rule]


def test_notes():
    table = re.search(r"#define NOTES\(X\)(.*?)\n\n", (CORE / "note.h").read_text(), flags=re.S)[1]
    notes = re.findall(r'X\(\w+, "([^"]+)", \\?\s*"([^"]+)"\)', table)
    shown = re.findall(r"^\.It Cm (\S+)\n(.*)$", section("NOTES"), flags=re.M)
    assert notes and shown == notes


def test_results():
    enum = re.search(r"enum result \{(.*?)RESULT__COUNT", (CORE / "stack.h").read_text(), flags=re.S)[1]
    assert words_of(section("Results", "Ss")) == [word.lower() for word in re.findall(r"RESULT_(\w+)", enum)]


def test_actions():
    enum = re.search(r"enum action \{(.*?)\}", (CORE / "stack.h").read_text(), flags=re.S)[1]
    assert set(words_of(section("Actions", "Ss"))) == {word.lower() for word in re.findall(r"ACTION_(\w+)", enum)}




def test_kinds():
    kinds = re.findall(r'\[FACTOR_\w+\] = WORD\("([^"]+)"\)', "".join(
        file.read_text() for file in sorted(CORE.glob("rule*.c"))))
    assert kinds
    for kind in kinds:
        assert re.search(rf"\b{kind}\b", section("RULES")), kind


@pytest.mark.parametrize("reason", ["limit_payment", "drain_suspected", "payee_not_listed", "service_not_listed",
                                    "outside_hours", "account_too_new", "account_factors", "limit_year", "limit_total",
                                    "limit_24h", "limit_stepup", "limit_first_use", "risk_high", "risk_unavailable",
                                    "session_expired", "new_session", "limit_undefined", "limit_day", "limit_month",
                                    "limit_count", "assurance_missing", "assurance_lowered"])
def test_reasons_exist_and_are_said(reason):
    assert f'"{reason}"' in (CORE / "reason.h").read_text()
    assert reason in section("RULES")


def test_operations():
    assert words_of(section("Operations", "Ss")) == OPERATIONS
