# SPDX-License-Identifier: Apache-2.0
"""The policy as it is shipped: a fresh installation denies, nothing is without a limit, the examples do what they say."""
import json
import re
import shutil

import pytest

from conftest import SOURCE

OPERATIONS = ["spend", "link", "factor", "grant", "limit", "thaw", "recover", "view"]
EXAMPLES = ["checkout", "wallet", "gate"]


@pytest.fixture
def installed(tmp_path):
    """installed(old, new, ...) -> the path of countersign.conf as shipped, with these changes."""
    shutil.copytree(SOURCE / "packaging/examples", tmp_path / "etc")

    def call(*changes):
        file = tmp_path / "etc/countersign.conf"
        text = file.read_text()
        for old, new in zip(changes[::2], changes[1::2]):
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        return file
    return call


WORKED = ('#include "conf.d/*.conf"', 'include "conf.d/*.conf"')
SERVICE = ('#include "conf.d/*.conf"', 'provider "new" { plugin "oidc" }\n'
           'service "newcomer" { uid 9 door unix rights spend refund link enrol respond }')


@pytest.fixture
def explain(ctl):
    def call(configuration, words):
        done = ctl("explain", "--config", configuration, "--json", *words.split())
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)
    return call


def verdict(answer):
    return answer["outcome"], answer["reason"]


# --- a fresh installation ---

def test_the_shipped_configuration_passes_check(ctl, installed):
    done = ctl("check", "--config", installed())
    assert done.returncode == 0, done.stdout


def test_it_knows_no_service_and_no_provider(installed):
    words = [line.split()[0] for line in installed().read_text().splitlines() if line.strip()]
    assert not {"service", "provider", "include"} & set(words)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_service_without_a_stack_is_denied(explain, installed, operation):
    """It takes `other`, with every right, every factor, an allowance and a countersigned session."""
    answer = explain(installed(*SERVICE), f"newcomer 1 CNY m --operation {operation} --allowance 9,9,9"
                     if operation in ("spend", "grant") else f"newcomer --operation {operation}")
    assert verdict(answer) == ("deny", "stack")


# --- nothing is without a limit ---

HUGE = "1000000000"


@pytest.mark.parametrize("service", ["newcomer", "checkout", "wallet"])
def test_no_account_and_no_provider_is_without_a_limit(explain, installed, service):
    """The account has no limit of its own, nor has the provider; still there is one. The gate's are tested below."""
    configuration = installed(*(SERVICE if service == "newcomer" else WORKED))
    (configuration.parent / "services/newcomer").write_text("spend required permit\n")
    answer = explain(configuration, f"{service} {HUGE} CNY m --allowance {HUGE},{HUGE},{HUGE}")
    assert verdict(answer) == ("deny", "limit_payment")


@pytest.mark.parametrize("service, currency", [("newcomer", "EUR"), ("checkout", "EUR"), ("checkout", "USD"),
                                               ("wallet", "EUR")])
def test_a_currency_without_a_limit_is_denied(explain, installed, service, currency):
    configuration = installed(*(SERVICE if service == "newcomer" else WORKED))
    (configuration.parent / "services/newcomer").write_text("spend required permit\n")
    assert verdict(explain(configuration, f"{service} 1 {currency} m")) == ("deny", "limit_undefined")


def test_without_policy_limits_nothing_is_spent_and_check_says_so(ctl, explain, installed):
    limits = "\tper-payment 1000\n\tper-day 3000\n\tper-month 20000\n\tcount-day 100\n\tcount-month 1000\n}\n"
    configuration = installed(*SERVICE, "policy-limits CNY", "#", limits, "\n")
    (configuration.parent / "services/newcomer").write_text("spend required permit\n")
    assert verdict(explain(configuration, "newcomer 0.01 CNY m")) == ("deny", "limit_undefined")
    assert "no policy limits" in ctl("check", "--config", configuration).stdout


def test_the_common_limits_are_per_link_and_not_zero():
    line, = re.findall(r"^spend\s+requisite\s+limit\s+(for=link.*)$",
                       (SOURCE / "packaging/examples/services/common").read_text(), flags=re.M)
    values = dict(word.split("=") for word in line.split())
    assert set(values) >= {"for", "per-payment", "per-day", "per-month", "count-day"}
    assert all(int(re.match(r"\d+", value)[0]) > 0 for name, value in values.items() if name != "for")


# --- what `common` decides ---

def test_october_2018_becomes_a_prompt(configure, play):
    """5,834 yuan in minutes, through an ID in a session where the owner allowed all of it: the third payment asks."""
    assert play(configure("@include common"), [
        "sign totp 50 CNY store => permit countersigned",
        "wait 6m",
        "allow 2000 6000 6000 CNY",
        "pay 100 CNY store => permit allowance",
        "wait 1m",
        "pay 200 CNY store => permit allowance",
        "wait 1m",
        *["pay 500 CNY store => step_up countersignature_required"] * 5,
        *["pay 500 CNY store => deny prompt_budget"] * 5,     # nor can a thief wear the owner out
        "pay 34 CNY store => deny prompt_budget",
        "wait 6m",
        "pay 200 CNY store => permit allowance",
    ]) == ""


def test_a_large_payment_is_a_drain_by_itself(configure, play):
    assert play(configure("@include common"), [
        "sign totp 50 CNY store => permit countersigned",
        "wait 6m",
        "allow 2000 6000 6000 CNY",
        "pay 500.01 CNY store => step_up countersignature_required",
        "pay 500 CNY store => permit allowance",
    ]) == ""


def test_a_new_payee_is_asked_about(configure, play):
    assert play(configure("@include common"), [
        "allow 2000 6000 6000 CNY",
        "pay 100.01 CNY stranger => step_up countersignature_required",
        "pay 100 CNY stranger => permit allowance",
        "pay 100.01 CNY stranger => permit allowance",
    ]) == ""


def test_the_limits_of_a_link(configure, play):
    assert play(configure("@include common"), [
        "pay 1000.01 CNY store => deny limit_payment",
        "sign totp 1000 CNY store => permit countersigned",
        "sign totp 1000 CNY store => permit countersigned",
        "pay 0.01 CNY store => deny limit_day",
        "new-link",
        "sign totp 1000 CNY store => permit countersigned",
    ]) == ""


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op != "spend"])
def test_what_widens_power_is_asked_about(explain, installed, operation):
    answer = explain(installed(*WORKED), f"checkout 20 CNY m --operation {operation}" if operation == "grant"
                     else f"checkout --operation {operation}")
    assert answer["outcome"] == "step_up" or (operation == "recover" and answer["outcome"] == "deny")


# --- the worked examples ---

def test_the_examples_pass_check_without_a_warning(ctl, installed):
    done = ctl("check", "--config", installed(*WORKED))
    assert done.returncode == 0 and "warning" not in done.stdout, done.stdout


@pytest.mark.parametrize("words, wanted", [
    ("checkout 20 CNY m-7", ("step_up", "countersignature_required")),
    ("checkout 20 CNY m-7 --allowance 50,100,500", ("permit", "allowance")),
    ("checkout 501 CNY m-7", ("deny", "limit_payment")),
    ("checkout 20 CNY m-7 --provider apple", ("deny", "stack")),
    ("wallet 20 CNY bob --provider apple", ("step_up", "countersignature_required")),
    ("wallet 20 CNY bob --provider apple --allowance 50,100,500", ("step_up", "countersignature_required")),
    ("wallet 20 CNY bob --provider sandbox", ("deny", "stack")),
    ("wallet 20 CNY bob --provider google --factor totp", ("deny", "no_independent_factor")),
    ("wallet 20 CNY bob --provider google --factor pam", ("deny", "no_independent_factor")),
    ("wallet 300 USD bob --provider google", ("step_up", "countersignature_required")),
    ("wallet 300.01 USD bob --provider google", ("deny", "limit_payment")),
])
def test_the_examples_decide_as_they_say(explain, installed, words, wanted):
    assert verdict(explain(installed(*WORKED), words)) == wanted


def test_a_gate_asks_nobody(configure, play):
    gate = (SOURCE / "packaging/examples/services/gate").read_text()
    gate = re.sub(r"^spend.* time .*\n", "", gate, flags=re.M).replace("sandbox", "one")
    gate = gate.replace("service    gate", "service shop")
    assert play(configure(gate), [
        "pay 4 CNY metro => deny stack",
        "mandate 50 100 600 CNY metro",
        "collect 4 CNY metro => permit mandate",
        "collect 20 CNY metro => permit mandate",
        "collect 20.01 CNY metro => deny limit_payment",
        "collect 20 CNY metro => permit mandate",
        "collect 16.01 CNY metro => deny limit_day",
        "mandate 50 100 600 CNY kiosk",
        "collect 4 CNY kiosk => deny payee_not_listed",
    ]) == ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_manual_shows_the_examples_as_they_are(name):
    manual = (SOURCE / "broker/parent/countersign-stack.5").read_text()
    shown = [block.replace("\\e", "\\").replace("\\&", "") for block in
             re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", manual, flags=re.S | re.M)]
    assert (SOURCE / "packaging/examples/services" / name).read_text() in shown
