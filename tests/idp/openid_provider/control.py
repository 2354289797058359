# SPDX-License-Identifier: Apache-2.0
"""The control API: the hand of a test. JSON over the same loopback port, under /control."""

import ipaddress
import urllib.parse

from . import bad_tokens, signals, tokens
from .keys import ALGORITHMS
from .server import BadRequest, json_response
from .state import Client, Refused

WAIT_MAX_MS = 30 * 1000
TIMES_MAX = 1000000
OFFSET_MAX_S = 10 * 365 * 86400
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def _take(fields, **types):
    """The wanted members of a call, checked by type; a member nobody knows is refused."""
    unknown = sorted(set(fields) - set(types))
    if unknown:
        raise Refused(f"unknown member {unknown[0]!r}; use {', '.join(sorted(types))}")
    for name, value in fields.items():
        wanted = types[name]
        is_flag = isinstance(value, bool)
        if not isinstance(value, wanted) or (is_flag and wanted is not bool):
            raise Refused(f"{name}: wrong type {type(value).__name__}")
    return fields


def _bounded(name, value, least, most):
    if not least <= value <= most:
        raise Refused(f"{name}: use a number from {least} to {most}")
    return value


def _alg(name):
    if name not in ALGORITHMS:
        raise Refused(f"alg {name!r}: use one of {', '.join(ALGORITHMS)}")
    return name


def _texts(name, values):
    if not all(isinstance(value, str) for value in values):
        raise Refused(f"{name}: a list of strings")
    return tuple(values)


def show(provider, _):
    """List the calls and the switches, and say which switches are on."""
    calls = [{"method": method, "path": path, "help": function.__doc__.strip().splitlines()[0]}
             for (method, path), function in ROUTES.items()]
    return {
        "issuer": provider.issuer,
        "calls": calls,
        "switches": [switch.describe() for switch in provider.switches.table.values()],
        "on": provider.switches.states(),
        "clients": provider.clients.ids(),
        "clock": {"now": provider.clock.now(), "offset_s": provider.clock.offset_s},
    }


def _corruptions(provider, wanted):
    """The (switch, argument) pairs of `corrupt`: a name, a list of names, or {name: argument}."""
    if isinstance(wanted, str):
        wanted = [wanted]
    if isinstance(wanted, list):
        wanted = {name: True for name in _texts("corrupt", wanted)}
    pairs = []
    for name, value in wanted.items():
        switch = provider.switches.find(name, "id_token")
        if value is not False:
            pairs.append((switch, switch.argument(value)))
    return pairs


def _person(provider, fields):
    if "user" in fields:
        return provider.people.claims(fields["user"])
    return {"sub": fields["sub"]}


def _first_client(provider, audience):
    ids = _texts("aud", [audience] if isinstance(audience, str) else audience)
    return provider.clients.get(ids[0] if ids else "") or Client("")


def mint(provider, request):
    """Mint an ID token, as a native app would have got it; only `corrupt` spoils it."""
    fields = _take(request.json(), user=str, sub=str, aud=(str, list), nonce=str, overrides=dict,
                   header=dict, alg=str, corrupt=(str, list, dict))
    if ("user" in fields) == ("sub" in fields):
        raise Refused("name either user (a name here) or sub (taken as it is)")
    if "aud" not in fields:
        raise Refused("aud: say which client the token is for")
    client = _first_client(provider, fields["aud"])
    claims = tokens.honest_claims(provider, fields["aud"], _person(provider, fields), fields.get("user"),
                                  fields.get("nonce"))
    token = tokens.draft(provider, client, claims, _alg(fields.get("alg", client.alg)))
    bad_tokens.spoil(token, _corruptions(provider, fields.get("corrupt", {})))
    token.claims = tokens.merge(token.claims, fields.get("overrides", {}))
    token.header = tokens.merge(token.header, fields.get("header", {}))
    return {"id_token": tokens.seal(token), "claims": token.claims, "header": token.header}


def misbehave(provider, request):
    """Turn switches on or off: {NAME: true, false or argument}; `times` limits their uses."""
    settings = dict(request.json())
    times = settings.pop("times", None)
    if times is not None:
        _take({"times": times}, times=int)
        _bounded("times", times, 1, TIMES_MAX)
    provider.switches.change(settings, times)
    return {"on": provider.switches.states()}


def rotate(provider, request):
    """Sign with new keys: {alg, keep_old, same_kid}; both algorithms unless alg is given."""
    fields = _take(request.json(), alg=str, keep_old=bool, same_kid=bool)
    algs = [_alg(fields["alg"])] if "alg" in fields else ALGORITHMS
    kids = provider.ring.rotate(algs, fields.get("keep_old", True), fields.get("same_kid", False))
    return {"kids": kids}


def log(provider, _):
    """Count the requests per path since the last reset (the control API itself is left out)."""
    return provider.log.snapshot()


def wait(provider, request):
    """Wait until a path was asked for: {path, count, timeout_ms}; answers the count."""
    fields = _take(request.json(), path=str, count=int, timeout_ms=int)
    if "path" not in fields:
        raise Refused("path: say which one, e.g. /jwks")
    timeout_ms = _bounded("timeout_ms", fields.get("timeout_ms", 5000), 0, WAIT_MAX_MS)
    wanted = fields.get("count", 1)
    seen = provider.log.wait(fields["path"], wanted, timeout_ms / 1000)
    return {"count": seen, "reached": seen >= wanted}


def clock(provider, request):
    """Move the provider's clock: {offset_s} from the machine's."""
    fields = _take(request.json(), offset_s=int)
    offset_s = fields.get("offset_s", 0)
    provider.clock.offset_s = _bounded("offset_s", offset_s, -OFFSET_MAX_S, OFFSET_MAX_S)
    return {"now": provider.clock.now()}


def client(provider, request):
    """Add or replace a client: {id, secret, redirect_uris, alg}; no secret means public."""
    fields = _take(request.json(), id=str, secret=str, redirect_uris=list, alg=str)
    if not fields.get("id"):
        raise Refused("id: give the client an id")
    fields["redirect_uris"] = _texts("redirect_uris", fields.get("redirect_uris", []))
    provider.clients.put(Client(**fields))
    return {"clients": provider.clients.ids()}


def user(provider, request):
    """Tell or change what is said of a user: {user, claims}; null drops a claim."""
    fields = _take(request.json(), user=str, claims=dict)
    if "user" not in fields:
        raise Refused("user: give a name")
    if "claims" in fields:
        provider.people.change(fields["user"], fields["claims"])
    return {"claims": provider.people.claims(fields["user"])}


def reset(provider, _):
    """Go back to the start: switches, log, clock, codes, users, clients. Signing keys stay."""
    provider.reset()
    return {}


ROUTES = {
    ("GET", "/control"): show,
    ("POST", "/control/mint"): mint,
    ("POST", "/control/misbehave"): misbehave,
    ("POST", "/control/rotate"): rotate,
    ("GET", "/control/log"): log,
    ("POST", "/control/wait"): wait,
    ("POST", "/control/clock"): clock,
    ("POST", "/control/client"): client,
    ("POST", "/control/user"): user,
    ("POST", "/control/reset"): reset,
    **signals.CONTROL,
}


def _is_local(request):
    """Only this machine, and no web page that was given another name for it."""
    host = urllib.parse.urlsplit("//" + request.headers.get("Host", "")).hostname
    return ipaddress.ip_address(request.peer).is_loopback and host in LOCAL_NAMES


def serve(provider, request):
    function = ROUTES.get((request.method, request.path))
    if not _is_local(request):
        return json_response({"error": "the control API is for this machine only"}, 403)
    if function is None:
        return json_response({"error": "no such call; GET /control lists them"}, 404)
    try:
        return json_response(function(provider, request))
    except (Refused, BadRequest) as error:
        return json_response({"error": str(error)}, 400)
