# SPDX-License-Identifier: Apache-2.0
"""Every line of every pack's table of vectors, by the function that the daemon decides with."""
import re

import pytest

from conftest import POLICY, packs, read_cases


@pytest.mark.parametrize("case", [case for pack in packs() for case in read_cases(pack)], ids=str)
def test_vectors(configure, play, case):
    assert play(configure(case.stack, case.fragment), case.lines) == ""


def test_a_wrong_expectation_is_found(configure, play):
    """The player itself: a table that says something else than what is decided does not pass."""
    case = read_cases("psd2-rts")[0]
    lines = [line.replace("deny no_independent_factor", "permit allowance") for line in case.lines]
    assert "decided: deny no_independent_factor" in play(configure(case.stack, case.fragment), lines)


def figures():
    """(pack, file, number of the line, argument, what it might wrongly be): one more, and one less."""
    for pack in packs():
        for file in sorted((POLICY / pack / "services").iterdir()):
            seen = set()        # what a line says again, for another reason to be given, no case can tell apart
            for number, line in enumerate(file.read_text().splitlines()):
                rule = re.sub(r"\[.*?\]", "", line.partition("#")[0])
                for name, value, unit in re.findall(r"([a-z0-9-]+)=(\d+)([A-Za-z]*)(?=\s|$)", rule):
                    said = (rule.split()[0], f"{name}={value}{unit}")
                    again = name == "link-age" and said in seen
                    seen.add(said)
                    if value != "1000000" and name != "max-age" and not again:  # gates; the broker's own five minutes
                        for wrong in {int(value) + 1, int(value) - 1} - {0}:
                            yield pack, file.name, number, f"{name}={value}{unit}", f"{name}={wrong}{unit}"


@pytest.mark.parametrize("pack, name, number, right, wrong", figures())
def test_every_figure_is_held_by_a_vector(configure, play, pack, name, number, right, wrong):
    """Were a figure of the law written wrongly by the least there is, some case would find it."""
    for case in read_cases(pack):
        if name not in re.split(r"[\s;]+", case.stack):
            continue
        configuration = configure(case.stack, case.fragment)
        file = configuration.parent / "services" / name
        lines = file.read_text().splitlines()
        assert right in lines[number]
        lines[number] = lines[number].replace(right, wrong)
        file.write_text("\n".join(lines) + "\n")
        if play(configuration, case.lines) != "":
            return
    pytest.fail("no case tells the two apart")


# Each article of the tables in the packs' README.md that the pack decides by itself has a case.
ARTICLES = {
    "pboc-2015-43": ["24(3)", "24(2)", "24(1)", "22", "11(1)", "11(2)", "11(3)", "2017 No. 296"],
    "psd2-rts": ["4(1)", "4(2)", "4(3)(b)", "4(3)(d)", "5(1)", "11(a)", "11(b)", "11(c)", "13", "14", "16(a)", "16(b)", "16(c)"],
    "rbi-emandate": ["First transaction", "Later transactions", "Maximum value", "100,000"],
    "mas-srf": ["Duty 1", "Duty 5"],
}


@pytest.mark.parametrize("pack", packs())
def test_every_article_has_a_case(pack):
    titles = [case.title for case in read_cases(pack)]
    for article in ARTICLES[pack]:
        assert any(article in title for title in titles), article


@pytest.mark.parametrize("pack", packs())
def test_every_rule_names_its_article(pack):
    """Above each line that asks something stands a `#:` note."""
    for file in (POLICY / pack / "services").iterdir():
        above = ""
        for line in file.read_text().splitlines():
            asks = line and line[0] != "#" and re.search(r"\b(limit|payee|account|stepup)\b", line.partition("#")[0])
            if asks and "requisite  account" not in line and "required   stepup" not in line:
                assert above.startswith(("#:", "# A gate")), f"{file}: {line}"
            above = line


@pytest.mark.parametrize("pack", packs())
def test_what_was_not_verified_is_marked(pack):
    """In the README always; in the files where figures rest on it."""
    readme = (POLICY / pack / "README.md").read_text()
    assert "legal advice" in (POLICY / "README.md").read_text()
    assert "## What it does not do" in readme
    if pack in ("rbi-emandate", "mas-srf"):
        assert "**Not verified against the source:**" in readme
        for file in (POLICY / pack / "services").iterdir():
            assert "Not verified against the source" in file.read_text(), file


@pytest.mark.parametrize("pack", packs())
def test_it_passes_check(configure, ctl, pack):
    case = read_cases(pack)[0]
    for stack in {case.stack for case in read_cases(pack)}:
        assert stack
    done = ctl("check", "--config", configure(case.stack, case.fragment))
    assert done.returncode == 0, done.stdout + done.stderr


TWO = "spend substack pboc-2015-43; spend substack psd2-rts; grant substack psd2-rts"


def test_two_packs_together_pass_check(configure, ctl):
    done = ctl("check", "--config", configure(TWO, "pboc-2015-43.conf", "psd2-rts.conf"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("stack", [TWO, TWO.replace("substack", "include"), "@include pboc-2015-43; @include psd2-rts"])
def test_two_packs_together(configure, play, stack):
    """Each decides what is in its currency and leaves the other's alone; nobody's currency is denied."""
    assert play(configure(stack, "pboc-2015-43.conf", "psd2-rts.conf"), [
        "factors webauthn pam",
        "allow 1000 5000 50000 CNY",
        "allow 1000 5000 50000 EUR",
        "pay 1000 CNY shop => permit allowance liability-institution",
        "pay 1 CNY shop => step_up countersignature_required",
        "pay 30 EUR shop => permit allowance sca-exempt-low-value",
        "pay 30.01 EUR shop => step_up countersignature_required",
        "sign webauthn,pam 5000 CNY shop => permit countersigned liability-contract",
        "sign webauthn,pam 31 EUR shop => permit countersigned",
        "pay 1 USD shop => deny stack",
    ]) == ""


@pytest.mark.parametrize("pack, words, law", [
    ("pboc-2015-43", "20 CNY m", "PBOC 2015 No. 43, Art. 24(3)"),
    ("psd2-rts", "20 EUR m", "PSD2 RTS Art. 16(b)"),
    ("rbi-emandate", "20 INR m", "RBI e-mandate framework 2026"),
    ("mas-srf", "20 SGD m", "MAS SRF duty 5"),
])
def test_explain_shows_the_law_beside_the_line(configure, ctl, pack, words, law):
    case = read_cases(pack)[0]
    done = ctl("explain", "--config", configure(case.stack, case.fragment), "shop", *words.split(), "--allowance",
               "100,200,300", "--factor", "webauthn", "--factor", "pam")
    assert done.returncode in (0, 1), done.stderr
    assert f"#: {law}" in done.stdout
