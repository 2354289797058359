# SPDX-License-Identifier: Apache-2.0
"""The sign-in page: plain HTML, no script, usable with a keyboard and a screen reader."""

import html

from .server import Response

SUGGESTED_USERS = ("alice", "bob", "mallory")

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 28rem; margin: 3rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.4rem; }
label { display: block; margin: 1rem 0 .25rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem;
        border: 1px solid #555; }
button { font: inherit; padding: .5rem 1rem; margin: .75rem .5rem 0 0; border: 1px solid #1b1b1b;
         background: #fff; color: #1b1b1b; cursor: pointer; }
button.main { background: #1b1b1b; color: #fff; }
:focus-visible { outline: 3px solid #0a58ca; outline-offset: 2px; }
.note { color: #555; }
"""

# No form-action: browsers apply it to the redirect that follows the form, which is the point here.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def _document(title, body, status):
    text = (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
            f"<body>\n<main>\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n")
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer",
               "X-Content-Type-Options": "nosniff"}
    return Response(status, text.encode(), "text/html; charset=utf-8", headers)


def sign_in(provider_name, client_id, path, fields, login_hint):
    """The form repeats the authorization request in hidden fields and asks for a user."""
    hidden = "\n".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items() if name not in ("login_hint", "prompt"))
    options = "".join(f'<option value="{user}"></option>' for user in SUGGESTED_USERS)
    body = f"""<p>You will be signed in to <strong>{html.escape(client_id)}</strong>.</p>
<form method="post" action="{html.escape(path)}">
{hidden}
<label for="user">User</label>
<input id="user" name="user" list="users" value="{html.escape(login_hint)}" required autofocus
 autocomplete="username" autocapitalize="none" spellcheck="false" pattern="[A-Za-z0-9._\\-]+"
 maxlength="64" aria-describedby="hint">
<datalist id="users">{options}</datalist>
<p id="hint" class="note">A provider for tests: any name will do, and there is no password.</p>
<button class="main" name="decision" value="sign-in">Sign in</button>
<button name="decision" value="cancel" formnovalidate>Cancel</button>
</form>"""
    return _document(f"Sign in with {provider_name}", body, 200)


def problem(message):
    """For a request that must not be answered by a redirect."""
    body = f"<p>{html.escape(message)}</p>"
    return _document("This sign-in cannot start", body, 400)
