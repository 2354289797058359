# SPDX-License-Identifier: Apache-2.0
"""Enrolling on a terminal."""
from terminal import Challenge, plain

FACTORS = "org.countersign.Factors."
URI = "otpauth://totp/Countersign:alice?secret=JBSWY3DPEHPK3PXP&issuer=Countersign"
BEGUN = {"outcome": "permit", "reason": "enrolled", "enrolment": "enr_1", "expires_at": "2099-01-01T00:00:00Z",
         "steps": [{"id": "s1", "type": "show", "label": "Scan", "uri": URI},
                   {"id": "s2", "type": "code", "label": "Code from the app", "digits": 6}]}
FACTOR = {"id": "fact_1", "kind": "totp", "label": "phone", "state": "cooling_off", "since": "2026-01-01T00:00:00Z",
          "usable_from": "2026-01-02T00:00:00Z"}


def finish(call):
    right = call["answers"] == [{"step": "s2", "value": "123456"}]
    return {"outcome": "permit", "reason": "enrolled", "factor": FACTOR} if right else {
        "outcome": "deny", "reason": "factor_rejected"}


def test_totp_with_its_qr_code(terminal):
    t = terminal({FACTORS + "Begin": BEGUN, FACTORS + "Finish": finish}, "enrol", "--label", "phone", "--proof", "passport",
                 "totp", "alice")
    shown = t.expect("> ")
    # 33 modules and a quiet zone, two rows a line.
    rows = [line for line in plain(shown).splitlines() if "█" in line]
    assert len(rows) > 14 and len({len(row) for row in rows}) == 1
    assert "JBSW Y3DP EHPK 3PXP" in shown and not t.echoes()
    t.type("000000")
    assert "not right" in t.expect("Code from the app")
    t.expect("> ")
    t.type("123456")
    status, text = t.end()
    assert status == 0 and "2026-01-02" in text
    assert t.broker.calls[0][1] == {"account": "alice", "kind": "totp", "label": "phone", "proof": "passport"}


def test_the_qr_code_is_what_was_given(terminal, tmp_path):
    """Read back from the characters by a decoder of our own: the finder patterns are where they belong."""
    t = terminal({FACTORS + "Begin": BEGUN, FACTORS + "Finish": finish}, "enrol", "totp", "alice", NO_COLOR="1")
    rows = [line[2:] for line in t.expect("> ").splitlines() if "█" in line]
    light = {" ": (False, False), "█": (True, True), "▀": (True, False), "▄": (False, True)}
    modules = []
    for row in rows:
        modules += [[not light[c][half] for c in row] for half in (0, 1)]
    size = len(modules[0]) - 4
    code = [row[2:-2] for row in modules[2:2 + size]]
    finder = ["#######", "#     #", "# ### #", "# ### #", "# ### #", "#     #", "#######"]
    for top, left in ((0, 0), (0, size - 7), (size - 7, 0)):
        found = ["".join("#" if m else " " for m in row[left:left + 7]) for row in code[top:top + 7]]
        assert found == finder
    t.key(b"\x04")
    assert t.end()[0] == 6


def test_the_next_factor_is_countersigned_first(terminal):
    challenge = Challenge(card={"what": "factor", "amount": None, "label": "phone"})
    calls = []

    def begin(call):
        calls.append(call)
        return BEGUN if call.get("challenge") == "chal_1" else {
            "outcome": "step_up", "reason": "countersignature_required",
            "challenge": {"id": "chal_1", "expires_at": "2099-01-01T00:00:00Z", "factors": ["totp"]}}

    t = terminal({**challenge.answers(), FACTORS + "Begin": begin, FACTORS + "Finish": finish}, "enrol", "totp", "alice")
    assert "Add a way to confirm" in t.expect("> ")
    t.type("123456")
    t.expect("Code from the app")
    t.expect("> ")
    t.type("123456")
    assert t.end()[0] == 0 and len(calls) == 2


def test_a_denial_says_why(terminal):
    status, text = terminal({FACTORS + "Begin": {"outcome": "deny", "reason": "account_frozen"}}, "enrol", "totp", "a").end()
    assert status == 1 and "account_frozen" in text


def test_recovery_codes_are_lines(terminal):
    steps = [{"id": "s1", "type": "show", "label": "", "text": "AAAA-BBBB\nCC\x1b[2JCC"}, BEGUN["steps"][1]]
    t = terminal({FACTORS + "Begin": {**BEGUN, "steps": steps}}, "enrol", "recovery", "alice")
    text = plain(t.expect("> "))
    assert "AAAA-BBBB\r\nCC\\x1b[2JCC" in text
    t.key(b"\x04")
    t.end()
