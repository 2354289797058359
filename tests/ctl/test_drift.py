# SPDX-License-Identifier: Apache-2.0
"""The library's tables and the samples of these tests say the same as the interface files."""
import re

import pytest

import fake_broker
import test_commands
import test_example

PREFIX = "org.countersign."

# What each table of broker/client reads: a type of an interface, or the answer of a method.
TABLES = {
    "hold_fields": "Payments:Hold", "challenge_fields": "Payments:Challenge", "detail_fields": "Payments:Detail",
    "decision_fields": "Payments.Authorize", "reply_hold_fields": "Payments.Release", "link_fields": "Lookup:Entry",
    "entry_fields": "Lookup.BySubject", "account_fields": "Lookup.ByAccount", "sign_in_fields": "Sessions.Begin",
    "session_fields": "Sessions.Open", "card_fields": "StepUp:Card", "step_fields": "StepUp:Step",
    "prompt_fields": "StepUp.Get", "question_fields": "StepUp:Prompt", "response_fields": "StepUp.Respond",
    "state_fields": "StepUp.Watch",
}


def members(what):
    """name -> type of a type (Interface:Type) or of what a method answers (Interface.Method)."""
    interface, _, name = what.partition(":")
    if name:
        return fake_broker.INTERFACES[PREFIX + interface].types[name][1]
    interface, _, name = what.partition(".")
    return fake_broker.INTERFACES[PREFIX + interface].methods[name][1][1]


@pytest.fixture(scope="module")
def code(source):
    return "".join(file.read_text() for file in sorted((source / "broker/client").glob("*.c")))


def tables(code):
    for name, body in re.findall(r"static const struct take_field (\w+)\[\] = \{\n(.*?)\n\};", code, flags=re.S):
        yield name, dict(re.findall(r'(?:TAKE_\w+\(|\{)"(\w+)", (?:TAKE_\w+, )?(true|false)', body))


def test_every_table_is_known(code):
    assert {name for name, _ in tables(code)} == set(TABLES)


def test_the_library_requires_what_the_interfaces_promise(code):
    for name, fields in tables(code):
        promised = members(TABLES[name])
        assert set(fields) <= set(promised), name
        for field, required in fields.items():
            assert (required == "true") == (promised[field][0] != "optional"), (name, field)


def test_the_library_sends_what_the_methods_take(code):
    calls = re.findall(r'call_begin\(&c, \w+, "org\.countersign\.(\w+)\.(\w+)"(.*?)\n\}', code, flags=re.S)
    assert len(calls) == 17
    for interface, method, body in calls:
        takes = fake_broker.INTERFACES[PREFIX + interface].methods[method][0][1]
        for field, required in re.findall(r'put_(?:id|text)\(&c, "(\w+)".*?PUT_(REQUIRED|OPTIONAL)\)', body):
            assert field in takes, (method, field)
            assert (required == "REQUIRED") == (takes[field][0] != "optional"), (method, field)
        for field in re.findall(r'put_bool\(&c, "(\w+)"', body):
            assert field in takes, (method, field)


@pytest.mark.parametrize("method, sample", [
    ("Admin.Status", test_commands.STATUS),
    ("Admin.Providers", {"providers": test_commands.STATUS["providers"]}),
    ("Admin.Explain", test_commands.EXPLAINED),
    ("Payments.Authorize", test_example.PERMIT), ("Payments.Authorize", test_example.STEP_UP),
    ("Payments.Authorize", test_example.DENY), ("Payments.Capture", test_example.DENY),
])
def test_the_samples_are_what_a_daemon_may_say(method, sample):
    interface, _, name = (PREFIX + method).rpartition(".")
    answers = fake_broker.INTERFACES[interface].methods[name][1]
    check = fake_broker.check_varlink.check_value
    assert list(check(fake_broker.INTERFACES[interface], answers, sample, "reply")) == []
