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
        "unusable", "not known to be independent of cloud: the provider may hold a copy of its secret")
    assert "assume-independent totp" in answer["mend"] and "--factor approve" in answer["mend"]
    # What was offered does pass.
    assert explain("checkout 20 CNY m --provider cloud --factor approve")["outcome"] == "step_up"
    files("assume-independent approve", "assume-independent approve assume-independent totp")
    answer = explain("checkout 20 CNY m --provider cloud --factor totp")
    assert answer["outcome"] == "step_up" and answer["supposing"]["totp"] == ("usable", "independent by the admin's word, assume-independent")


def test_only_factors_that_may_answer_are_offered(explain, files):
    files('factor "totp" { plugin "totp" }', 'factor "totp" { plugin "totp" }\nfactor "recovery" { plugin "recovery" }')
    words = "checkout {} CNY m --factor approve --factor totp --factor recovery"
    assert "countersigns with totp or approve\n" in explain(words.format(20))["mend"]
    assert "countersigns with totp\n" in explain(words.format(31))["mend"]
    assert "countersigns with approve\n" in explain(words.format(20) + " --provider cloud")["mend"]
    files("required    stepup\n@include", "required    stepup      factors=2\n@include", "services/checkout")
    assert "2 different factors: totp or approve\n" in explain(words.format(20))["mend"]


def test_a_factor_rests_on_the_one_that_enrolled_it(explain):
    answer = explain("checkout 20 CNY m --provider cloud --factor totp --factor approve")
    assert outcome(answer) == ("deny", "no_independent_factor") and "enrol approve first" in answer["mend"]
    assert answer["supposing"]["approve"][1] == (
        "not known to be independent of cloud: it rests on totp, which enrolled it: the provider may hold a copy of its secret")
    assert explain("checkout 20 CNY m --provider cloud --factor approve --factor totp")["outcome"] == "step_up"


def test_a_factor_that_cannot_be_verified_again(explain):
    answer = explain("checkout 31 CNY m --factor approve")
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
