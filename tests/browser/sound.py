# SPDX-License-Identifier: Apache-2.0
"""What must be true of every page."""
PHONE, DESKTOP = (390, 844), (1280, 800)


# Amounts that go on in a second line: half of one reads like another.
BROKEN = """() => [...document.querySelectorAll('.facts .amount dd')].filter(dd => {
    const range = document.createRange();
    range.selectNode(dd.firstChild);
    return new Set([...range.getClientRects()].map(r => r.top)).size > 1;
}).map(dd => dd.textContent)"""


def fits(page):
    assert page.overflow() <= 0
    assert page.evaluate(BROKEN) == []


def sound(page, shot=None):
    """Nothing that hinders a person, at this size and with twice the text; nothing wider than the window."""
    if shot is not None:
        page.screenshot(shot)
    if page.scripts:  # without them the checker cannot run
        assert page.axe() == []
    fits(page)
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    try:
        fits(page)
    finally:
        page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
