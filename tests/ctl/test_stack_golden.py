# SPDX-License-Identifier: Apache-2.0
"""Every diagnostic of the grammar of stacks: files in stacks/, each with the message that it gets beside it.

A file NAME is run by `stack run`, or, where it lies in stacks/configured/, is a service's stack that `check` reads;
NAME.says holds what is said. Files that begin with "part-" are named by others. To write the messages anew:

    CS_GOLDEN=write make check TESTS=tests/ctl/check_ctl.sh && git diff tests/ctl/stacks
"""
import os
import pathlib
import re
import shutil

import pytest

HERE = pathlib.Path(__file__).parent / "stacks"
CONF = """realm "example"
listen service "/nonexistent/socket"
store mem
provider "apple" { plugin "oidc" }
service "checkout" { door unix uid 1000 rights spend stack "%s" }
"""

# Files that would be tedious to read: name -> the files that it takes.
LONG = {
    "made-word-long": {"made-word-long": f"spend required {'0' * 1100}\n"},
    "made-note-long": {"made-note-long": f"#: {'0' * 600}\nspend required permit\n"},
    "made-lines-many": {"made-lines-many": "spend required permit\n" * 257},
    "made-lines-included": {"made-lines-included": "link required permit\n" * 130 + "link include part-lines\n",
                            "part-lines": "link required permit\n" * 130},
    "made-files-many": {"made-files-many": "@include part-empty\n" * 257, "part-empty": ""},
    "made-files-different": {"made-files-different": "".join(f"@include part-{i}\n" for i in range(65)),
                             **{f"part-{i}": "spend required permit\n" for i in range(65)}},
    "made-deep": {"made-deep": "spend include part-deep-1\n",
                  **{f"part-deep-{i}": f"spend include part-deep-{i + 1}\n" for i in range(1, 16)}},
}


def cases(folder):
    return sorted(file.name for file in folder.iterdir()
                  if file.is_file() and file.suffix != ".says" and not file.name.startswith("part-"))


def hold(said, says):
    if os.environ.get("CS_GOLDEN") == "write":
        says.write_text(said)
    assert said == says.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files, with those that are made."""
    to = tmp_path_factory.mktemp("golden") / "stacks"
    shutil.copytree(HERE, to)
    for files in LONG.values():
        for name, text in files.items():
            (to / name).write_text(text)
    return to


@pytest.mark.parametrize("name", cases(HERE) + sorted(LONG))
def test_a_file_by_itself(run, folder, name):
    done = run("stack", "run", "--results", "success", folder / name)
    said = done.stdout.replace(f"{folder}/", "")
    assert done.returncode == 5 and done.stderr == ""
    assert re.match(r"\S+:\d+:\d+: .+; to mend it: .+\n$", said)
    hold(said, HERE / f"{name}.says")


@pytest.mark.parametrize("name", cases(HERE / "configured"))
def test_a_file_in_a_configuration(run, name, tmp_path):
    services = tmp_path / "services"
    shutil.copytree(HERE / "configured", services)
    (services / "other").write_text("spend requisite deny\n")
    (tmp_path / "a.conf").write_text(CONF % name)
    done = run("check", "--config", tmp_path / "a.conf")
    assert done.returncode == 5
    hold(done.stdout.replace(f"{services}/", ""), HERE / "configured" / f"{name}.says")
    # By itself it may be tried.
    assert run("stack", "run", "--results", "success,success", services / name).returncode in (0, 1)


# Said of more than one file, so by tests/unit/test_config.c, or of what only the parent writes.
ELSEWHERE = {"there is no stack", "there are more than", "the stacks have more than", "the file's name is too long",
             "the stack is full", "substack takes one file", "the line is in no substack", "this control names a file"}


def test_no_message_is_without_a_file(source):
    said = "".join(file.read_text() for file in HERE.rglob("*.says"))
    for path in ("broker/parent/config_stack.c", "broker/parent/config_stack_words.c", "broker/core/stack.c"):
        text = re.sub(r'"\s*\n\s*"', "", (source / path).read_text())
        for call in re.findall(r"\b(?:config|file|brackets|control|line)_fail\((?:[^()]|\([^()]*\))*\)", text):
            strings = [s.replace('\\"', '"') for s in re.findall(r'"((?:[^"\\]|\\.)*)"', call)]
            # What is said, the mend and the word all stand in one call: one of them is in a golden file, or known.
            patterns = ["(?s:.*?)".join(map(re.escape, re.split(r"%[-.*0-9]*l?[a-z]", s))) for s in strings if len(s) > 8]
            assert not patterns or any(re.search(p, said) for p in patterns) or \
                any(known in s for s in strings for known in ELSEWHERE), strings
