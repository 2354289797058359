# SPDX-License-Identifier: Apache-2.0
"""check: what it proves of stacks, and what it warns of. Outputs are compared as a whole: an admin reads all of them."""
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

        def stack(self, *lines, name="checkout"):
            (tmp_path / "files/services" / name).write_text("".join(line + "\n" for line in lines))

        def __str__(self):
            return str(tmp_path / "files/countersign.conf")
    made = Files()
    made("spend ", "spend        requisite   limit       per-payment=50CNY\nspend ", "services/kiosk")
    made("any=totp", "any=totp,approve", "services/kiosk")
    return made


@pytest.fixture
def report(run, files):
    """report() -> the lines of text after the first, with names of files without their directory, and no times."""
    def call():
        done = run("check", "-f", str(files))
        assert done.returncode == 0 and ": good: " in done.stdout.splitlines()[0], done.stdout
        text = re.sub(r"\S*/services/", "", done.stdout)
        return re.sub(r"(combinations \d+), [\d.]+ ms", r"\1", text).splitlines()[1:]
    return call


def warnings(run, files):
    done = run("check", "-f", str(files), "--json")
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    assert answer["good"] and answer["problems"] == []
    text = run("check", "-f", str(files)).stdout
    for warning in answer["warnings"]:
        place = f"{warning['file']}:{warning['line']}: " if "file" in warning else ""
        assert f"{place}warning: {warning['message']}\n" in text
        assert f"    to mend it: {warning['mend']}\n" in text
    assert text.count("warning: ") == len(answer["warnings"])
    return [warning["message"] for warning in answer["warnings"]]


def test_nothing_to_warn_of(run, report, files):
    assert warnings(run, files) == []
    assert report() == ["proved: stacks 3, operations 24, combinations 72"]
    answer = json.loads(run("check", "-f", str(files), "--json").stdout)
    assert answer["proved"]["combinations"] == 72 and answer["proved"]["decisions"] > 72


# --- the configuration ---

def test_a_right_without_a_line(run, files):
    files("grant        required    stepup\nlimit        required    stepup\n", "", "services/kiosk")
    warning, = warnings(run, files)
    assert '"kiosk"' in warning and "grant, limit;" in warning


def test_currencies_without_a_policy_limit(run, files):
    files("per-payment=200CNY per-day=800CNY", "per-payment=200USD", "services/checkout")
    files("trusted-factor-limit CNY 30", "trusted-factor-limit CNY 30\ntrusted-factor-limit JPY 3000")
    files("limits CNY { per-payment 50 } }", "limits EUR { per-payment 50 } }")
    assert [w.split(", which")[0] for w in warnings(run, files) if "speaks" in w] == [
        'provider "cloud" speaks of EUR', "trusted-factor-limit speaks of JPY", "`limit` speaks of USD"]


def test_no_policy_limits(run, files):
    files("policy-limits CNY { per-payment 1000 per-day 3000 per-month 20000 count-day 100 count-month 1000 }\n", "")
    assert any("no policy limits" in w for w in warnings(run, files))


def test_a_store_with_a_weaker_promise(run, files):
    files('store sqlite { path "/var/lib/countersign/countersign.db" }', 'store redis { server "127.0.0.1:6379" }')
    assert warnings(run, files) == []
    files("127.0.0.1", "10.0.0.1")
    assert [text in w for text, w in zip(("without a password", "without TLS"), sorted(warnings(run, files)))] == [True] * 2
    files('server "10.0.0.1:6379"', 'cluster "127.0.0.1:6379" replicas 0 weaker everysec no-persistence no-replicas')
    assert sorted(w.split(":")[0] for w in warnings(run, files)) == [
        "weaker everysec", "weaker no-persistence", "weaker no-replicas"]


def test_a_provider_that_nothing_is_independent_of(run, files):
    files(" assume-independent approve", "")
    files("trusted-factor-limit CNY 30\n", "")
    assert warnings(run, files) == []                   # approve is no secret that a cloud copies
    files('factor "approve" { plugin "approve" }', 'factor "pam" { plugin "pam" }')
    files("syncs-secrets yes", "syncs-secrets yes assume-independent pam")
    warning, = warnings(run, files)                     # nor is pam, by the admin's word; but it countersigns nothing
    assert '"cloud"' in warning
    files('provider "sandbox" { plugin "oidc" }', 'provider "sandbox" { plugin "totp" }')
    assert len(warnings(run, files)) == 2


def test_what_only_the_engine_finds(run, files):
    files('factor "approve" { plugin "approve" }', 'factor "carrier-pigeon" { plugin "approve" }')
    done = run("check", "-f", str(files))
    assert done.returncode == 5 and "carrier-pigeon" in done.stdout and str(files) in done.stdout
    answer = json.loads(run("check", "-f", str(files), "--json").stdout)
    assert not answer["good"] and "carrier-pigeon" in answer["problems"][0]["message"]


# --- stacks ---

def test_a_yes_before_the_stepup(report, files):
    files.stack("spend requisite limit per-payment=20CNY", "spend sufficient permit", "spend required stepup factors=2",
                "@include common")
    assert report() == """\
checkout:2: warning: the stack says yes to spend although no `stepup` and no `allowance` line succeeded
    why: rule 10 still wants a countersignature, but any one independent factor will do, whatever the `stepup` lines ask for
    to mend it: put the line that says yes behind the `stepup` lines, or make it required; an exemption that a law grants is told apart by note=NAME
    for example:
        checkout:1  limit per-payment=20CNY  success
        checkout:2  permit                   success
checkout:3: warning: this line is never asked
    why: whatever the lines before it answer, the stack ends or jumps before it; the last that is asked before it is checkout:2, `permit`
    to mend it: take it away, or move it up

proved: stacks 3, operations 24, combinations 58""".splitlines()


def test_a_jump_over_the_stepup(report, files):
    files.stack("spend requisite limit per-payment=20CNY", "spend [success=1 default=ignore] session max-age=1h",
                "spend required stepup", "spend required permit", "@include common")
    lines = report()
    assert lines[0].startswith("checkout:4: warning: the stack says yes to spend although no `stepup`")
    assert lines[4:7] == ["        checkout:1  limit per-payment=20CNY  success", "        checkout:2  session max-age=1h       success",
                          "        checkout:4  permit                   success"]


def test_no_limit(report, files):
    files.stack("spend sufficient allowance", "spend required stepup", "@include common")
    assert report()[:3] == """\
checkout:1: warning: the stack permits payments without any `limit` line
    why: only policy-limits, and limits of the provider, the account and the link, hold it back
    to mend it: write before it, for example: spend requisite limit per-payment=200CNY per-day=800CNY""".splitlines()


def test_a_limit_that_is_skipped(report, files):
    files.stack("spend sufficient stepup", "spend required limit per-payment=20CNY", "@include common")
    assert report()[:5] == """\
checkout:1: warning: the stack says yes to a payment in CNY that no `limit` line bounds
    why: only policy-limits, and limits of the provider, the account and the link, hold it back
    to mend it: write before it, for example: spend requisite limit per-payment=200CNY per-day=800CNY
    for example:
        checkout:1  stepup  success""".splitlines()


def test_lines_that_do_nothing(report, files):
    files.stack("spend requisite limit per-payment=20CNY", "spend optional session max-age=1h", "spend requisite stepup",
                "spend [success=ok denied=1 default=die] permit", "spend [default=1] session max-age=1h",
                "spend required deny", "spend required permit", "spend [success=done default=die] permit",
                "spend required stepup", "spend required stepup", "@include common")
    assert report() == """\
checkout:2: warning: whatever this line answers, spend ends the same
    why: its control does nothing with the results that it gives, or later lines undo it
    to mend it: make it required or requisite, or take it away
checkout:4: warning: the jump of this line never happens
    why: `permit` never gives a result that jumps
    to mend it: write the jump for a result that it gives, or take it away
checkout:5: warning: this line always jumps
    why: every result that `session` gives jumps
    to mend it: take the line away, with what it jumps over
checkout:6: warning: this line is never asked
    why: whatever the lines before it answer, the stack ends or jumps before it; the last that is asked before it is checkout:5, `session max-age=1h`
    to mend it: take it away, or move it up
checkout:9: warning: this line and the next 1 of spend are never asked
    why: whatever the lines before it answer, the stack ends or jumps before it; the last that is asked before it is checkout:8, `permit`
    to mend it: take it away, or move it up

proved: stacks 3, operations 24, combinations 638""".splitlines()


def test_what_never_says_yes(report, files):
    files.stack("spend [default=ignore] permit", "link [success=ignore default=die] stepup", "@include common")
    lines = report()
    assert lines[0] == "checkout:1: warning: no results of these lines say yes to spend: it is always denied"
    assert lines[1] == "    to mend it: where that is meant, say so: spend requisite deny"


def test_an_included_line_names_the_stack(report, files):
    files("link         required    stepup", "link         sufficient  permit\nlink         required    stepup",
          "services/common")
    lines = report()
    assert "common:2: warning: the stack says yes to link although no `stepup` and no `allowance` line succeeded" in lines
    assert any(line.endswith('; in the stack "checkout"') for line in lines)


@pytest.mark.parametrize("line, opens", [
    ("spend [success=ok unavailable=ignore default=die] risk scores", "ignore"),
    ("spend [success=ok unavailable=done default=die] risk scores", "done"),
    ("spend optional risk scores", "ignore"),
    ("spend requisite risk scores", None), ("spend required risk scores", None),
    ("spend [success=ok unavailable=1 default=die] risk scores", None),
    ("-spend [success=ok unavailable=ignore default=die] risk scores", None),
])
def test_a_risk_line_that_fails_open(report, files, line, opens):
    files('provider "sandbox"', 'risk "scores" { plugin "misbehave" }\nprovider "sandbox"')
    files.stack(line, "spend requisite limit per-payment=20CNY", "spend required stepup", "@include common")
    said = "\n".join(report())
    assert ("fails open" in said) == (opens is not None), said
    if opens is not None:
        assert "checkout:1: warning: without an answer of the plugin this line does not stop spend" in said
        assert f"unavailable={opens}" in said


# --- what is too large ---

def test_a_stack_that_is_too_large(run, files, tmp_path):
    control = "[success=ok denied=bad unavailable=ok error=reset default=ignore]"
    for depth in range(15):
        below = [f"spend substack deep{depth + 1}"] if depth < 14 else [f"spend {control} permit"] * 200
        files.stack(f"spend {control} permit", *below, name=f"deep{depth}" if depth > 0 else "checkout")
    done = run("check", "-f", str(files))
    assert done.returncode == 5, done.stdout
    assert ": not safe to load: " in done.stdout
    error = next(line for line in done.stdout.splitlines() if "error:" in line)
    assert re.search(r"checkout:1: error: the lines for spend are too large to enumerate: \d+ states and more; nothing is "
                     r"proved of them$", error)
    assert "the rest is not proved" in done.stdout.splitlines()[-1]
    answer = json.loads(run("check", "-f", str(files), "--json").stdout)
    assert not answer["good"] and "too large" in answer["problems"][0]["message"]


def test_no_number_of_warnings_hides_that_it_is_not_safe(run, tmp_path):
    file, control = tmp_path / "long", "[success=ok denied=bad unavailable=ok error=reset default=ignore]"
    for depth in range(15):
        below = [f"thaw substack deep{depth + 1}"] if depth < 14 else [f"thaw {control} permit"] * 100
        (tmp_path / (f"deep{depth}" if depth > 0 else "long")).write_text(
            f"thaw {control} permit\n" + "".join(line + "\n" for line in below))
    # Each amount of each line is above that of the first: more than there is room for.
    def amounts(n):
        return ",".join(f"{n}{c}" for c in "CNY EUR USD GBP HKD SGD INR AUD".split())
    with open(file, "a", encoding="utf-8") as f:
        f.write(f"spend requisite limit per-day={amounts(1)}\n")
        f.write(f"spend requisite limit per-payment={amounts(5)} per-day={amounts(900)}\n" * 20 + "spend required stepup\n")
    done = run("check", "--stack", file)
    assert done.returncode == 5 and ": not safe to load: " in done.stdout
    assert re.search(r"\nand \d+ more: mend these first\n", done.stdout)


def test_a_long_stack_is_not_too_large(report, files):
    files.stack("spend requisite limit per-payment=20CNY", *["spend required session max-age=1h"] * 200,
                "spend required stepup", "@include common")
    assert re.fullmatch(r"proved: stacks 3, operations 24, combinations more than \d+, [\d.]+ ms", report()[-1])


# --- a file by itself ---

def test_a_file_by_itself(run, tmp_path):
    file = tmp_path / "shop"
    file.write_text("spend requisite limit count-day=20\nspend sufficient debug result=success\n"
                    "spend required stepup\nlink required debug result=denied\nlink sufficient provider anybody\n")
    done = run("check", "--stack", file)
    assert done.returncode == 0 and re.sub(r"[\d.]+ ms", "T ms", done.stdout.replace(str(tmp_path) + "/", "")) == """\
shop: good: lines 5
shop:2: warning: the stack says yes to spend although no `stepup` and no `allowance` line succeeded
    why: rule 10 still wants a countersignature, but any one independent factor will do, whatever the `stepup` lines ask for
    to mend it: put the line that says yes behind the `stepup` lines, or make it required; an exemption that a law grants is told apart by note=NAME
    for example:
        shop:1  limit count-day=20    success
        shop:2  debug result=success  success
shop:3: warning: this line is never asked
    why: whatever the lines before it answer, the stack ends or jumps before it; the last that is asked before it is shop:2, `debug result=success`
    to mend it: take it away, or move it up
shop:4: warning: no results of these lines say yes to link: it is always denied
    to mend it: where that is meant, say so: link requisite deny

proved: stacks 1, operations 2, combinations 15, T ms
"""
    done = run("check", "--stack", file, "--operation", "link", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and [w["line"] for w in answer["warnings"]] == [4]
    assert answer["proved"]["operations"] == 1


@pytest.mark.parametrize("text, said", [
    ("spend required stepp\n", "shop:1:16"), ("spend [success=3 default=die] permit\nspend required permit\n", "past the end"),
])
def test_a_file_that_does_not_load(run, tmp_path, text, said):
    file = tmp_path / "shop"
    file.write_text(text)
    done = run("check", "--stack", file)
    assert done.returncode == 5 and said in done.stdout
    answer = json.loads(run("check", "--stack", file, "--json").stdout)
    assert not answer["good"] and answer["problems"][0]["line"] == 1


def test_usage(run, files, tmp_path):
    assert run("check", "--stack", "/nonexistent/x").returncode == 5
    assert run("check", "--stack", "x", "--config", str(files)).returncode == 2
    assert run("check", "--stack", "x", "--operation", "fly").returncode == 2
    done = run("check", "--config", str(files), "--operation", "spend")
    assert done.returncode == 2 and "--stack" in done.stderr


# --- limits that never bind, factors that never satisfy ---

def test_limits_that_never_bind(report, files):
    files.stack("spend requisite limit per-payment=900CNY per-day=800CNY per-month=30000CNY",
                "spend requisite limit for=link per-day=850CNY count-day=30",
                "spend [success=ok exceeded=ignore default=die] limit per-24h=100000CNY", "spend required stepup", "@include common")
    assert report()[:9] == """\
checkout:1: warning: per-month=30000.00CNY can never bind
    why: policy-limits: per-month=20000.00CNY is smaller, and always asked too
    to mend it: write less, or leave it out
checkout:1: warning: per-payment=900.00CNY can never bind
    why: per-day=800.00CNY is smaller, and always asked too
    to mend it: write less, or leave it out
checkout:2: warning: per-day=850.00CNY can never bind
    why: checkout:1: per-day=800.00CNY is smaller, and always asked too
    to mend it: write less, or leave it out""".splitlines()


def test_a_limit_that_is_not_always_asked_takes_nothing_from_others(run, files):
    files.stack("spend sufficient limit per-payment=20CNY", "spend requisite limit per-payment=30CNY", "spend required stepup",
                "@include common")
    assert not any("never bind" in w for w in warnings(run, files))


def test_limits_of_the_configuration(run, files):
    files("limits CNY { per-payment 50 }", "limits CNY { per-payment 50 count-day 200 }")
    assert warnings(run, files) == ['provider "cloud": count-day=200 can never bind']


def test_a_stepup_that_no_factor_satisfies(run, report, files):
    files.stack("spend requisite limit per-payment=20CNY", "spend required stepup any=webauthn,totp", "link required stepup all=totp,approve",
                "factor required stepup categories=2", "limit required stepup factors=3", "@include common")
    lines = report()
    # The cloud may hold the totp secret; approve alone is left, and is asked for by neither.
    assert lines[:3] == """\
checkout:2: warning: no configured factor could ever satisfy this line for provider cloud
    why: it asks for `stepup any=webauthn,totp`, and what is independent of the provider is: approve
    to mend it: configure a factor that it asks for, or ask for less""".splitlines()
    assert "checkout:3: warning: no configured factor could ever satisfy this line for provider cloud" in lines
    # Both kinds are of one category.
    assert "checkout:4: warning: no configured factor could ever satisfy this line for provider sandbox, cloud" in lines
    # Three factors of one kind are three factors.
    assert not any(line.startswith("checkout:5:") for line in lines)


def test_a_recovery_that_no_code_satisfies(run, report, files):
    files('factor "totp" { plugin "totp" }', 'factor "totp" { plugin "totp" }\nfactor "recovery" { plugin "recovery" }')
    assert warnings(run, files) == []
    files("recover      required    stepup\n", "recover      required    stepup      any=totp\n", "services/common")
    assert report()[:3] == """\
common:7: warning: no recovery code could ever satisfy this line
    why: it asks for `stepup any=totp`, and a recovery is countersigned by one recovery code and nothing else
    to mend it: write: recover required stepup""".splitlines()
    files("stepup      any=totp", "stepup      factors=2", "services/common")
    assert any("no recovery code could ever satisfy this line" in line for line in report())


def test_what_a_profile_controls(run, files):
    """A kind that falls with the provider countersigns nothing for it, whatever the admin vouches for."""
    files('provider "cloud" {', 'profile "phone" { controls kind approve }\nprovider "cloud" { profile "phone"')
    assert any('no configured factor could ever countersign for provider "cloud"' in w for w in warnings(run, files))


def test_a_passkey_may_be_bound_to_its_device(run, files):
    """Of a kind that may be kept elsewhere there are some that are not."""
    files("syncs-secrets yes assume-independent approve", "syncs-secrets yes")
    files('factor "approve" { plugin "approve" }', 'factor "approve" { plugin "approve" }\nfactor "webauthn" { plugin "webauthn" }')
    files.stack("spend requisite limit per-payment=20CNY", "spend required stepup any=webauthn", "@include common")
    assert warnings(run, files) == []


def test_a_stepup_is_not_asked_of_providers_that_do_not_get_there(run, files):
    files.stack("spend requisite limit per-payment=20CNY", "spend requisite provider sandbox",
                "spend required stepup any=totp", "@include common")
    assert warnings(run, files) == []
