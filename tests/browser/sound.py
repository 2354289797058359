# SPDX-License-Identifier: Apache-2.0
"""What must be true of every page."""
PHONE, DESKTOP = (390, 844), (1280, 800)


def sound(page, shot=None):
    """Nothing that hinders a person, at this size and, above a narrow phone's, with twice the text; nothing wider than the window."""
    if shot is not None:
        page.screenshot(shot)
    if page.scripts:  # without them the checker cannot run
        assert page.axe() == []
    assert page.overflow() <= 0
    if page.evaluate("() => innerWidth") < PHONE[0]:
        return  # narrow already is the zoom
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    try:
        assert page.overflow() <= 0
    finally:
        page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
