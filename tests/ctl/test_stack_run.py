# SPDX-License-Identifier: Apache-2.0
"""stack run: files by themselves. The stacks of Linux-PAM's own tests give what is documented of them."""
import json
import os
import pathlib
import re

import pytest

RESULTS = {"success": "success", "ignore": "ignore", "perm_denied": "denied", "maxtries": "exceeded",
           "auth_err": "unverified", "authinfo_unavail": "unavailable", "service_err": "error", "acct_expired": "denied"}

# Linux-PAM's documentation of its tests: operation, verdict, and the lines that run as file:line.
VECTORS = {
    "authfail": ("spend", "denied"), "authsucceed": ("spend", "success"), "dispatch1": ("spend", "denied"),
    "dispatch2": ("spend", "denied"), "dispatch3": ("spend", "success"), "dispatch4": ("spend", "success"),
    "dispatch5": ("spend", "denied"), "substack1": ("spend", "unverified"), "substack2": ("spend", "success"),
    "substack3": ("spend", "success"), "substack4": ("spend", "success"), "substack5": ("spend", "unverified"),
    "assemble_line1": ("spend", "denied"),
}


def translated(text):
    """A stack of Linux-PAM's tests in our words."""
    text = re.sub(r"^auth\b", "spend", text, flags=re.M)
    text = re.sub(r"^account\b", "link", text, flags=re.M)
    text = re.sub(r"pam_debug\.so\s+\w+=(\w+)", lambda m: "debug result=" + RESULTS[m[1]], text)
    return text.replace("pam_permit.so", "permit").replace("pam_deny.so", "deny")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    source = pathlib.Path(os.environ.get("CS_VECTORS", "")) / "linux-pam"
    if not source.is_dir():
        pytest.skip("there are no vectors at CS_VECTORS/linux-pam")
    to = tmp_path_factory.mktemp("linux-pam")
    for file in source.glob("*.pamd"):
        (to / file.stem).write_text(translated(file.read_text()))
    return to


@pytest.fixture
def answers(run):
    """answers(arguments...) -> exit code, the lines of JSON."""
    def call(*args):
        done = run("stack", "run", "--json", *args)
        assert done.stderr == ""
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]
    return call


@pytest.mark.parametrize("name", VECTORS)
def test_stacks_of_linux_pam(answers, vectors, name):
    operation, verdict = VECTORS[name]
    code, (answer,) = answers("--operation", operation, vectors / f"tst-pam_{name}")
    assert (answer["permit"], answer["verdict"]) == (verdict == "success", verdict)
    assert code == (0 if verdict == "success" else 1)


def test_which_lines_of_linux_pams_stacks_run(answers, vectors):
    def ran(name, operation="spend"):
        return [(pathlib.Path(step["file"]).name.removeprefix("tst-pam_"), step["line"])
                for step in answers("--operation", operation, vectors / f"tst-pam_{name}")[1][0]["executed"]]

    assert ran("dispatch3") == [("dispatch3", 2), ("dispatch3", 3)]
    assert ran("dispatch4") == [("dispatch4", 3), ("dispatch4", 4)]
    assert ran("dispatch4", "link") == [("dispatch4", 7)]
    assert ran("substack4") == [("substack4", 3), ("substack4", 5)]
    assert ran("substack5") == [("substack5", 3), ("substack5a", 2)]


def test_account_lines_of_dispatch4_deny(answers, vectors):
    code, (answer,) = answers("--operation", "link", vectors / "tst-pam_dispatch4")
    assert code == 1 and answer["verdict"] == "denied"


def test_every_vector_is_played_or_included(vectors):
    included = {"substack1a", "substack2a", "substack3a", "substack4a", "substack5a"}
    assert {file.name.removeprefix("tst-pam_") for file in vectors.iterdir()} == set(VECTORS) | included


@pytest.fixture
def write(tmp_path):
    def call(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return call


def test_results_go_to_the_lines_in_their_order(answers, write):
    file = write("a", "link required deny\nspend [success=1 default=ignore] limit per-day=1CNY\nspend required debug "
                 "result=denied\nspend required session\nspend required deny\n")
    code, (answer,) = answers("--results", "success,success,success", file)
    assert code == 0 and answer == {"file": str(file), "permit": True, "verdict": "success", "executed": [
        {"file": str(file), "line": 2, "result": "success"}, {"file": str(file), "line": 4, "result": "success"},
        {"file": str(file), "line": 5, "result": "success"}]}
    code, (answer,) = answers("--results", "exceeded,success,success", file)
    assert code == 1 and [step["line"] for step in answer["executed"]] == [2, 3, 4, 5]


def test_permit_and_deny_need_no_result(answers, write):
    code, (answer,) = answers(write("a", "spend sufficient permit\nspend required deny\n"))
    assert code == 0 and answer["verdict"] == "success"
    code, (answer,) = answers("--results", "denied", write("a", "spend sufficient permit\nspend required deny\n"))
    assert code == 1 and answer["verdict"] == "denied"


def test_a_rule_without_a_result_is_named(answers, run, write):
    file = write("a", "spend required permit\nspend required session\n")
    code, (answer,) = answers(file)
    assert code == 5 and (answer["error"]["line"], answer["error"]["column"]) == (2, 16)
    assert "session" in answer["error"]["message"] and "--results" in answer["error"]["mend"]
    assert "a:2:16" in run("stack", "run", file).stdout


def test_names_of_things_are_taken_as_they_come(answers, write):
    code, _ = answers("--results", "success,success", write("a", "spend required provider nobody\nspend required "
                                                                "service nowhere\n"))
    assert code == 0


def test_a_file_without_lines_of_the_operation_denies(answers, run, write):
    file = write("a", "link required permit\n")
    code, (answer,) = answers(file)
    assert code == 1 and answer["executed"] == [] and answer["verdict"] == "denied"
    assert "no line of this operation" in run("stack", "run", file).stdout


def test_a_jump_past_the_end_denies_and_is_told(answers, run, write):
    file = write("a", "spend [success=2 default=bad] permit\nspend required permit\n")
    code, (answer,) = answers(file)
    assert code == 1 and answer["verdict"] == "denied" and len(answer["executed"]) == 1
    assert answer["warning"]["line"] == 1 and "past the end" in answer["warning"]["message"]
    assert "refused in a configuration" in run("stack", "run", file).stdout


def test_files_lie_beside_the_one_that_names_them(run, write, tmp_path):
    write("b", "spend required permit\n")
    file = write("a", "@include b\nspend substack b\n")
    done = run("stack", "run", file)
    assert done.returncode == 0 and f"{tmp_path}/b:1" in done.stdout
    assert "    required permit" in done.stdout  # deeper, as a substack is


def test_one_bad_file_does_not_stop_the_others(answers, write):
    bad, good, no = write("bad", "spend requird permit\n"), write("good", "spend required permit\n"), write("no", "")
    code, all_ = answers(bad, good, no, "/nonexistent/x")
    assert code == 5 and [answer["file"] for answer in all_] == [str(bad), str(good), str(no), "/nonexistent/x"]
    assert all_[1]["permit"] and not all_[2]["permit"] and "error" in all_[0] and "error" in all_[3]
    assert (all_[0]["error"]["line"], all_[0]["error"]["column"], all_[0]["error"]["word"]) == (1, 7, "requird")


def test_wrong_command_lines(run, write):
    file = write("a", "spend required permit\n")
    for args, word in [(("--operation", "pay", file), "pay"), (("--results", "fine", file), "fine"),
                       (("--results", "", file), "--results"), ((), "FILE"), (("--limit", "3", file), "--limit")]:
        done = run("stack", "run", *args)
        assert done.returncode == 2 and word in done.stderr and done.stdout == ""


def test_a_name_cannot_drive_the_terminal(run, tmp_path):
    file = tmp_path / "a\x1b[2J"
    file.write_text("spend required permit\n")
    assert "\x1b" not in run("stack", "run", file).stdout


def test_a_thousand_files_are_one_run(answers, write):
    """How long it takes is the benchmark's to say: bench_stack."""
    write("common", "spend required permit\nlink required stepup\n" * 10)
    files = [write(f"f{i}", "spend required permit\nspend substack common\n") for i in range(1000)]
    code, all_ = answers(*files)
    assert code == 0 and [one["file"] for one in all_] == [str(file) for file in files]
    assert all(one["permit"] and len(one["executed"]) == 11 for one in all_)
