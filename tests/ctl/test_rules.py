# SPDX-License-Identifier: Apache-2.0
"""explain --config and the warnings of check: the rules of files, without a daemon."""
import json
import re
import shutil

import pytest


@pytest.fixture
def files(source, tmp_path):
    """files(old, new, name="countersign.conf") changes one of them; str(files) is the configuration's path."""
    shutil.copytree(source / "tests/ctl/files", tmp_path / "files")

    class Files:
        def __call__(self, old, new, name="countersign.conf"):
            file = tmp_path / "files" / name
            assert old in file.read_text()
            file.write_text(file.read_text().replace(old, new))

        def __str__(self):
            return str(tmp_path / "files/countersign.conf")
    return Files()


@pytest.fixture
def explain(run, files):
    """explain("checkout 20 CNY m-7 --factor totp") -> the answer, its steps as a dict."""
    def call(words):
        done = run("explain", "--config", str(files), "--json", *words.split())
        assert done.returncode in (0, 1), done.stderr
        answer = json.loads(done.stdout)
        assert (done.returncode == 0) == (answer["outcome"] == "permit")
        rules = [step["rule"] for step in answer["steps"]]
        second = rules.index("a countersignature") if "a countersignature" in rules else len(rules)
        answer["by"], answer["supposing"] = ({step["rule"]: (step["result"], step["why"]) for step in part}
                                             for part in (answer["steps"][:second], answer["steps"][second:]))
        answer["mend"] = "\n".join(answer["mend"])
        return answer
    return call


def outcome(answer):
    return answer["outcome"], answer["reason"]


def test_a_third_party_id_alone_never_spends(explain):
    answer = explain("checkout 20 CNY m-7")
    assert outcome(answer) == ("step_up", "countersignature_required")
    assert answer["by"]["account"] == ("supposed", "with totp, approve")
    assert answer["by"]["rule 8 limits"] == ("success", "")
    assert answer["by"]["checkout:5 stepup"] == ("unverified", "countersignature_required")
    assert answer["supposing"]["checkout:5 stepup"] == ("success", "")
    assert "countersigns with totp or approve" in answer["mend"] and "--allowance" in answer["mend"]


def test_an_allowance_in_a_countersigned_session(explain):
    assert outcome(explain("checkout 20 CNY m-7 --allowance 50,100,500")) == ("permit", "allowance")
    answer = explain("checkout 20 CNY m-7 --allowance 50,100,500 --no-countersigned")
    assert outcome(answer) == ("step_up", "new_session")
    # What it does not cover: more than one payment may be, and more than is left of the day.
    assert explain("checkout 51 CNY m-7 --allowance 50,100,500")["outcome"] == "step_up"
    assert explain("checkout 20 CNY m-7 --allowance 50,100,500 --spent-today 80")["outcome"] == "permit"
    assert explain("checkout 20 CNY m-7 --allowance 50,100,500 --spent-today 81")["outcome"] == "step_up"


@pytest.mark.parametrize("words, reason, room, place", [
    ("checkout 201 CNY m", "limit_payment", "200.00", "checkout:3 (200.00 CNY)"),
    ("checkout 100 CNY m --spent-today 750", "limit_day", "50.00", "per-day in checkout:3 (800.00 CNY, of which 750.00"),
    ("kiosk 1000.01 CNY m", "limit_payment", "1000.00", "per-payment in policy-limits"),
    ("kiosk 500 CNY m --spent-today 2600", "limit_day", "400.00", "per-day in policy-limits"),
    ("checkout 60 CNY m --provider cloud", "limit_payment", "50.00", 'limits of provider "cloud"'),
])
def test_how_much_room_limits_leave(explain, words, reason, room, place):
    answer = explain(words)
    assert outcome(answer) == ("deny", reason)
    if "cloud" not in words:
        assert f"at most {room} CNY" in answer["mend"]
        words = words.split()
        words[1] = room
        assert explain(" ".join(words))["outcome"] == "step_up"
    assert place in answer["mend"]


def test_no_room_at_all(explain):
    answer = explain("kiosk 1 CNY m --spent-today 3000")
    assert "no amount passes" in answer["mend"] and "3000.00 CNY" in answer["mend"]
    answer = explain("checkout 1 EUR m")
    assert outcome(answer) == ("deny", "limit_undefined") and "policy-limits EUR" in answer["mend"]


def test_what_would_be_an_independent_factor(explain, files):
    answer = explain("checkout 20 CNY m --provider cloud --factor totp")
    assert outcome(answer) == ("deny", "no_independent_factor")
    assert answer["supposing"]["totp"] == (
        "unusable", "not known to be independent of cloud: the secret of this authenticator app may be kept in cloud, too")
    assert "assume-independent totp" in answer["mend"] and "--factor approve" in answer["mend"]
    # What was offered does pass.
    assert explain("checkout 20 CNY m --provider cloud --factor approve")["outcome"] == "step_up"
    files("assume-independent approve", "assume-independent approve assume-independent totp")
    answer = explain("checkout 20 CNY m --provider cloud --factor totp")
    assert answer["outcome"] == "step_up" and answer["supposing"]["totp"] == ("usable", "independent by the admin's word, assume-independent")


def test_a_kind_that_falls_with_the_provider(explain, files):
    files('provider "cloud" {', 'profile "phone" { title "Phone number" controls kind totp }\nprovider "cloud" { profile "phone"')
    answer = explain("checkout 20 CNY m --provider cloud --factor totp")
    assert outcome(answer) == ("deny", "no_independent_factor")
    assert answer["supposing"]["totp"] == (
        "unusable", "not independent of cloud: this authenticator app falls with the Phone number, as all of the kind totp do")
    # No word of the admin's mends that; another factor does.
    assert "assume-independent" not in answer["mend"] and "--factor approve" in answer["mend"]


def test_only_factors_that_may_answer_are_offered(explain, files):
    files('factor "approve" { plugin "approve" }', 'factor "pam" { plugin "pam" }')
    files("assume-independent approve", "assume-independent pam")
    files('factor "totp" { plugin "totp" }', 'factor "totp" { plugin "totp" }\nfactor "recovery" { plugin "recovery" }')
    words = "checkout {} CNY m --factor pam --factor totp --factor recovery"
    assert "countersigns with totp or pam\n" in explain(words.format(20))["mend"]
    assert "countersigns with totp\n" in explain(words.format(31))["mend"]
    assert "countersigns with pam\n" in explain(words.format(20) + " --provider cloud")["mend"]
    files("required    stepup\n@include", "required    stepup      factors=2\n@include", "services/checkout")
    assert "2 different factors: totp or pam\n" in explain(words.format(20))["mend"]


def test_a_factor_rests_on_the_one_that_enrolled_it(explain):
    answer = explain("checkout 20 CNY m --provider cloud --factor totp --factor approve")
    assert outcome(answer) == ("deny", "no_independent_factor") and "enrol approve first" in answer["mend"]
    assert answer["supposing"]["approve"][1] == (
        "not known to be independent of cloud: this approving device was enrolled with a factor of the kind totp, and the secret of that authenticator app may be kept in cloud, too")
    assert explain("checkout 20 CNY m --provider cloud --factor approve --factor totp")["outcome"] == "step_up"


def test_a_factor_that_cannot_be_verified_again(explain, files):
    files('factor "approve" { plugin "approve" }', 'factor "pam" { plugin "pam" }')
    files("assume-independent approve", "assume-independent pam")
    answer = explain("checkout 31 CNY m --factor pam")
    assert outcome(answer) == ("deny", "no_independent_factor")
    assert "raise trusted-factor-limit to 31.00 CNY" in answer["mend"] and "--factor totp" in answer["mend"]


def test_a_factor_that_the_stack_does_not_take(explain):
    answer = explain("kiosk 20 CNY m --factor approve")
    assert outcome(answer) == ("deny", "no_independent_factor") and "--factor totp" in answer["mend"]


@pytest.mark.parametrize("operation, line", [
    ("link", "common:2 stepup"), ("factor", "common:3 stepup"), ("limit", "common:5 stepup"), ("thaw", "common:6 stepup")])
def test_other_operations_need_a_countersignature_too(explain, operation, line):
    answer = explain(f"checkout --operation {operation}")
    assert answer["outcome"] == "step_up" and line in answer["by"]


def test_a_grant_is_of_an_amount(explain, run, files):
    assert explain("checkout 20 CNY m --operation grant")["outcome"] == "step_up"
    assert run("explain", "-f", str(files), "checkout", "--operation", "grant").returncode == 2


def test_rights_and_stacks(explain, files):
    answer = explain("desk 20 CNY m")
    assert outcome(answer) == ("deny", "service_right") and "`spend`" in answer["mend"]
    files("limit        required    stepup\n", "", "services/kiosk")
    answer = explain("kiosk --operation limit")
    assert outcome(answer) == ("deny", "stack") and "limit required stepup" in answer["mend"]
    files("provider    sandbox cloud", "provider    cloud", "services/checkout")
    answer = explain("checkout --operation link")
    assert outcome(answer) == ("deny", "stack") and "name sandbox in checkout:1" in answer["mend"]


def test_the_text(run, files):
    done = run("explain", "--config", str(files), "checkout", "20", "CNY", "m-7")
    assert done.returncode == 1 and done.stdout.startswith("step_up (countersignature_required)\n")
    assert "\nto make it pass:\n  the owner countersigns with" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\nwith a countersignature:\n  checkout:2 session max-age=30d " in done.stdout
    assert "\nfactors of the account:\n  totp " in done.stdout


def test_the_article_of_a_line(run, explain, files):
    files("spend        requisite   limit ", "#: PBOC 2015 No. 43, Art. 24\nspend requisite limit ", "services/checkout")
    done = run("explain", "--config", str(files), "checkout", "201", "CNY", "m-7")
    assert """
  checkout:4 limit per-payment=200CNY per-day=800CNY  exceeded  limit_payment
      0.00 CNY of 200.00 CNY a payment
      Above the limit for one payment.
      #: PBOC 2015 No. 43, Art. 24
""" in done.stdout
    line, = [step for step in explain("checkout 201 CNY m")["steps"] if step.get("line") == 4][:1]
    assert line["file"].endswith("services/checkout") and line["note"] == "PBOC 2015 No. 43, Art. 24"
    assert (line["used"], line["limit"], line["window"]) == ("0.00 CNY", "200.00 CNY", "payment")


@pytest.mark.parametrize("words, code, said", [
    ("nobody 20 CNY m", 3, 'no service "nobody"'), ("checkout 20 CNY m --provider x", 3, 'no provider "x"'),
    ("checkout 20 CNY m --factor webauthn", 3, 'no factor "webauthn"'), ("checkout 20 XXX m", 2, "ISO 4217"),
    ("checkout 0.001 CNY m", 2, "decimal amount"), ("checkout 0 CNY m", 2, "nothing"), ("checkout", 2, "usage"),
    ("checkout 1 CNY m --allowance 5,6", 2, "EACH,DAY,TOTAL"),
    ("checkout 1 CNY m --allowance 5,4,9", 2, "at least one payment"),
    ("checkout 1 CNY m --spent-today x", 2, "decimal amount"), ("checkout 1 CNY m --operation fly", 2, "one of spend"),
    ("checkout 1 CNY m --factor totp --factor totp", 2, "once"), ("checkout 1 CNY m --session s", 2, "supposes"),
    ("alice checkout 1 CNY m", 2, "the account is supposed"),
])
def test_usage(run, files, words, code, said):
    done = run("explain", "--config", str(files), *words.split())
    assert done.returncode == code and said in done.stderr and done.stdout == ""


def test_the_daemon_is_told_nothing_that_is_supposed(run):
    done = run("explain", "alice", "checkout", "20", "CNY", "m-7", "--spent-today", "5")
    assert done.returncode == 2 and "--config" in done.stderr


def test_a_bad_configuration_explains_nothing(run, files):
    files('realm "example"', 'realm 7 8')
    assert run("explain", "--config", str(files), "checkout", "20", "CNY", "m").returncode == 5


@pytest.mark.parametrize("line, reason, said", [
    ("payee id=shop", "payee_not_listed", "checkout:3 names whom to pay"),
    ("service kiosk", "service_not_listed", "checkout:3 names who may ask"),
    ("account age=365d", "account_too_new", "checkout:3 asks for an older account"),
    ("account factors=4", "account_factors", "checkout:3 asks for factors"),
    ("assurance phone", "assurance_missing", "checkout:3 asks for evidence that nobody has given"),
    ("limit first-use=5CNY", "limit_first_use", "or raise first-use in checkout:3 (5.00 CNY)"),
    ("limit per-24h=15CNY", "limit_24h", "ask for at most 15.00 CNY"),
])
def test_each_rule_says_what_would_make_it_pass(explain, files, line, reason, said):
    files("limit       per-payment=200CNY per-day=800CNY", line, "services/checkout")
    answer = explain("checkout 20 CNY m")
    assert outcome(answer) == ("deny", reason) and said in answer["mend"]


def test_where_the_counters_stand(run, files):
    files("per-payment=200CNY per-day=800CNY", "per-payment=200CNY per-day=800CNY count-day=9", "services/checkout")
    said = run("explain", "--config", str(files), "checkout", "20", "CNY", "m", "--spent-today", "790").stdout
    assert "      790.00 CNY of 800.00 CNY a day\n" in said
    said = run("explain", "--config", str(files), "checkout", "20", "CNY", "m", "--spent-today", "650").stdout
    assert said.count("      650.00 CNY of 800.00 CNY a day\n") == 2        # with what is there, and with a countersignature
    said = run("explain", "--config", str(files), "checkout", "2000", "CNY", "m").stdout
    assert re.search(r"\n  rule 8 limits +denied +limit_payment\n      0.00 CNY of 1000.00 CNY a payment\n", said)


JUMPS = "spend [success=ignore exceeded=1 default=die] limit first-use=100CNY\nspend        sufficient  allowance"


def test_no_allowance_is_offered_that_is_jumped_over(explain, files):
    files("spend        sufficient  allowance", JUMPS, "services/checkout")
    answer = explain("checkout 120 CNY m")
    assert answer["outcome"] == "step_up" and "an allowance covers 120.00 CNY to a payee that was paid before" in answer["mend"]
    assert explain("checkout 120 CNY m --allowance 120,120,120")["outcome"] == "step_up"
    # What is offered does pass.
    assert explain("checkout 120 CNY m --payee-known --allowance 120,120,120")["outcome"] == "permit"
    answer = explain("checkout 120 CNY m --payee-known")
    assert answer["outcome"] == "step_up" and "or an allowance covers 120.00 CNY: see --allowance" in answer["mend"]
    files("exceeded=1 default=die] limit first-use=100CNY", "exceeded=1 default=die] limit per-payment=100CNY",
          "services/checkout")
    assert explain("checkout 120 CNY m")["mend"] == "the owner countersigns with totp or approve"


def test_a_payee_that_was_paid_before(explain, files):
    files("limit       per-payment=200CNY per-day=800CNY", "payee known", "services/checkout")
    assert "a payee that was paid before: see --payee-known" in explain("checkout 20 CNY m")["mend"]
    answer = explain("checkout 20 CNY m --payee-known")
    assert answer["outcome"] == "step_up" and answer["by"]["payee"] == ("supposed", "paid before")
    # It is counted in no window.
    files("payee known", "limit per-day=800CNY per-month=800CNY count-day=1 count-month=1", "services/checkout")
    assert explain("checkout 800 CNY m --payee-known")["outcome"] == "step_up"


def test_every_limit_that_is_in_the_way_is_named(explain, files):
    answer = explain("checkout 1001 CNY m")
    assert "raise per-payment in policy-limits (1000.00 CNY) and raise per-payment in checkout:3" in answer["mend"]
    assert "of 800.00" not in answer["mend"] and "raise per-day in checkout:3 (800.00 CNY" in answer["mend"]
    assert "not enough" not in answer["mend"]
    answer = explain("checkout 60 CNY m --provider cloud --factor totp")
    assert "limits of provider" in answer["mend"] and "By itself that is not enough" in answer["mend"]
    answer = explain("checkout 1 EUR m")
    assert "policy-limits EUR" in answer["mend"] and "and name an amount of EUR in checkout:3" in answer["mend"]


def test_what_was_spent_stands_in_every_counter(explain, files):
    files("per-payment=200CNY per-day=800CNY", "per-24h=100CNY", "services/checkout")
    answer = explain("checkout 20 CNY m --spent-today 90")
    assert outcome(answer) == ("deny", "limit_24h") and "at most 10.00 CNY" in answer["mend"]


def test_a_line_taken_away_is_not_all(explain, files):
    files("spend        requisite   limit       per-payment=200CNY", "spend requisite service kiosk\n"
          "spend        requisite   payee       id=shop\nspend requisite limit per-payment=200CNY", "services/checkout")
    answer = explain("checkout 20 CNY m")
    assert outcome(answer) == ("deny", "service_not_listed") and "By itself that is not enough" in answer["mend"]
    files("spend        requisite   payee       id=shop\n", "", "services/checkout")
    assert "not enough" not in explain("checkout 20 CNY m")["mend"]


def test_the_payees_that_a_line_names(explain, files):
    files("limit       per-payment=200CNY per-day=800CNY", "payee id=shop,metro", "services/checkout")
    assert explain("checkout 20 CNY metro")["outcome"] == explain("checkout 20 CNY shop")["outcome"] == "step_up"
    assert outcome(explain("checkout 20 CNY m-7")) == ("deny", "payee_not_listed")


def test_a_risk_line_without_an_answer_gives_no_impression(explain, files):
    """Here nobody supposes the plugin's answer. Ignored, it leaves the yes to other lines."""
    line = "spend [success=ok unavailable=ignore default=die] risk scores"
    files('provider "sandbox"', 'risk "scores" { plugin "velocity" }\nprovider "sandbox"')
    files("spend        requisite   limit       per-payment=200CNY per-day=800CNY", line, "services/checkout")
    answer = explain("checkout 20 CNY m")
    assert answer["outcome"] == "step_up" and answer["by"]["checkout:3 risk scores"] == ("unavailable", "risk_unavailable")
    files("spend        required    stepup      any=totp", line, "services/kiosk")
    assert outcome(explain("kiosk 20 CNY m")) == ("deny", "stack")
