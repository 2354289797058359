# SPDX-License-Identifier: Apache-2.0
"""A risk line that its admin let fail open: without an answer it says nothing, and nothing else is let go for that."""
# The plugin misbehave: the score is the amount in whole units, and a payee "!crash" makes it crash.
BROKER = {
    "extra": 'risk "scores" { plugin "misbehave" servers 2 deadline 60s queue 8 }',
    "stack": """link    required    stepup      factors=1
factor  required    stepup      factors=1
grant   required    stepup      factors=1
thaw    required    stepup      factors=1
view    required    stepup      factors=1
limit   required    stepup      factors=1
spend   [success=ok unavailable=ignore default=die]  risk  scores max=50 deadline=5s
spend   sufficient  allowance
spend   required    stepup      any=totp
""",
}


def test_a_score_counts(broker, person):
    answer = person.authorize(person.session(), person.payment("51.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "risk_high")


def test_silence_says_neither_yes_nor_no(broker, person):
    """A payment that its score would have denied goes on, and rule 10 asks for a countersignature as ever."""
    session, payment = person.session(), person.payment("60.00", payee="!fail")
    answer = person.authorize(session, payment, explain=True)
    assert (answer["outcome"], answer["reason"]) == ("step_up", "countersignature_required")
    step, = [s for s in answer["explain"] if s.get("pass") == 1 and s["rule"].split()[1:2] == ["risk"]]
    assert (step["result"], step["why"]) == ("unavailable", "risk_unavailable")
    person.confirm(answer["challenge"]["id"])
    answer = person.authorize(session, payment)
    assert (answer["outcome"], answer["reason"]) == ("permit", "countersigned")
