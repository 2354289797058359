# SPDX-License-Identifier: Apache-2.0
"""Security events: minted as Shared Signals 1.0, Google's or Apple's, pushed (RFC 8935) or polled (RFC 8936).

The provider is a transmitter with one stream a receiver, whose management is SSF 1.0 section 7, and, for Google, the
RISC API at /v1beta. Who manages shows a bearer token: `TOKEN`, or for Google a JWT of the service account that the control
API made.
"""

import base64
import collections
import http.client
import json
import secrets
import ssl
import threading
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .server import Response, json_response
from .state import Refused
from .tokens import b64url, compact_json, merge

TOKEN = "stream-token"  # what the management and the polls must show
WAITING_MAX = 256
PUSH_TIMEOUT_S = 20
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
OAUTH = "https://schemas.openid.net/secevent/oauth/event-type/"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
GOOGLE_PUSH = RISC.replace("event-type/", "delivery-method/push")
GOOGLE_AUDIENCE = "https://risc.googleapis.com/google.identity.risc.v1beta.RiscManagementService"
FAMILIES = {RISC: ("account-credential-change-required", "account-purged", "account-disabled", "account-enabled",
                   "identifier-changed", "identifier-recycled", "credential-compromise", "opt-out-effective",
                   "recovery-activated", "recovery-information-changed", "sessions-revoked"),
            CAEP: ("session-revoked", "token-claims-change", "credential-change", "assurance-level-change",
                   "device-compliance-change", "risk-level-change"),
            OAUTH: ("tokens-revoked", "token-revoked"),
            SSF: ("verification", "stream-updated")}


def event_uri(name, format="ssf"):
    """A short name's URI; Google keeps `verification` with RISC."""
    if ":" in name:
        return name
    if format == "google" and name == "verification":
        return RISC + name
    return next((family + name for family, names in FAMILIES.items() if name in names), RISC + name)


class Stream:
    """The stream of one receiver, and what waits in it."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.lock = threading.Lock()
        self.config = None  # as the receiver sees it
        self.header = None  # what pushes show
        self.status = {"status": "enabled"}
        self.google = {"delivery": None, "events_requested": [], "status": "enabled"}
        self.waiting = collections.OrderedDict()  # jti: SET
        self.acknowledged, self.refused = [], {}
        self.pushed = []  # what receivers answered: {"jti", "status", "body"}
        self.service_key = None


def _pushing(url, ca):
    parts = urllib.parse.urlsplit(url)
    context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    return http.client.HTTPSConnection(parts.netloc, context=context, timeout=PUSH_TIMEOUT_S), parts.path


def push(provider, url, message, ca=None, authorization=None):
    """Posts one message and tells what came back."""
    connection, path = _pushing(url, ca)
    headers = {"Content-Type": message["content_type"], "Accept": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    try:
        connection.request("POST", path, message["body"], headers)
        reply = connection.getresponse()
        told = {"jti": message["claims"].get("jti"), "status": reply.status, "body": reply.read().decode(),
                "content_language": reply.headers.get("Content-Language")}
    except OSError as error:
        told = {"jti": message["claims"].get("jti"), "status": 0, "body": str(error)}
    finally:
        connection.close()
    provider.stream.pushed.append(told)
    return told


def _subject(provider, fields, format):
    """How the person is named: {} where the event is about nobody."""
    if "user" not in fields and "sub" not in fields:
        return {}
    sub = fields["sub"] if "sub" in fields else provider.people.claims(fields["user"])["sub"]
    kind = {"format": "iss_sub"} if format == "ssf" else {"subject_type": "iss-sub"}
    return {**kind, "iss": provider.issuer + ("/" if format == "google" else ""), "sub": sub}


def _claims(provider, fields, format):
    now = provider.clock.now()
    subject = _subject(provider, fields, format)
    event = dict(fields.get("members", {}))
    claims = {"iss": provider.issuer, "jti": secrets.token_urlsafe(16), "iat": now, "aud": fields["aud"]}
    if format == "apple":
        event = {"type": fields["event"], "sub": subject.get("sub"), "event_time": now * 1000, **event}
        return {**claims, "exp": now + 86400, "events": json.dumps(event)}
    if format == "google":
        event = {"subject": subject, **event} if subject else event
        return {**claims, "iss": provider.issuer + "/", "events": {event_uri(fields["event"], format): event}}
    sub_id = subject or {"format": "opaque", "id": (provider.stream.config or {}).get("stream_id", "none")}
    return {**claims, "sub_id": sub_id, "txn": secrets.token_hex(8), "events": {event_uri(fields["event"]): event}}


def mint(provider, fields):
    """{set, claims, header, body, content_type} of an event; `overrides` and `header` change it before it is signed."""
    format = fields.get("format", "ssf")
    if format not in ("ssf", "google", "apple"):
        raise Refused("format: use ssf, google or apple")
    if "event" not in fields or "aud" not in fields:
        raise Refused("say which event, and aud: whom it is for")
    key = (provider.ring.rogue if fields.get("rogue") else provider.ring.current)(fields.get("alg", "RS256"))
    header = {"alg": key.alg, "kid": provider.ring.current(key.alg).kid}
    if format == "ssf":
        header["typ"] = "secevent+jwt"
    claims = merge(_claims(provider, fields, format), fields.get("overrides", {}))
    header = merge(header, fields.get("header", {}))
    signing_input = f"{b64url(compact_json(header))}.{b64url(compact_json(claims))}"
    token = f"{signing_input}.{b64url(key.sign(signing_input.encode('ascii')))}"
    wrapped = format == "apple"
    return {"set": token, "claims": claims, "header": header,
            "body": json.dumps({"payload": token}) if wrapped else token,
            "content_type": "application/json" if wrapped else "application/secevent+jwt"}


def emit(provider, message):
    """Gives a message to the stream: it is pushed now, or waits for a poll."""
    stream = provider.stream
    if stream.google["delivery"] and stream.google["status"] == "enabled":
        return push(provider, stream.google["delivery"]["url"], message)
    if stream.config is None or stream.status["status"] != "enabled":
        return None
    if stream.config["delivery"]["method"] == PUSH:
        return push(provider, stream.config["delivery"]["endpoint_url"], message, authorization=stream.header)
    with stream.lock:
        stream.waiting[message["claims"]["jti"]] = message["set"]
        while len(stream.waiting) > WAITING_MAX:
            stream.waiting.popitem(last=False)
    return None


def _verify(provider, state, format):
    members = {} if state is None else {"state": state}
    audience = (provider.stream.config or {}).get("aud") or next(iter(provider.clients.ids()), "none")
    message = mint(provider, {"event": "verification", "aud": audience, "members": members, "format": format})
    threading.Thread(target=emit, args=(provider, message), name="idp-verification", daemon=True).start()


# Stream management (SSF 1.0 section 7)

def _allowed(request):
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


def _managed(function):
    def serve(provider, request):
        if not _allowed(request):
            return json_response({"err": "access_denied", "description": "show the stream's token"}, 401)
        return function(provider, request)
    return serve


def configuration(provider, _):
    issuer = provider.issuer
    return json_response({
        "spec_version": "1_0", "issuer": issuer, "jwks_uri": f"{issuer}/jwks",
        "delivery_methods_supported": [PUSH, POLL], "configuration_endpoint": f"{issuer}/ssf/stream",
        "status_endpoint": f"{issuer}/ssf/status", "verification_endpoint": f"{issuer}/ssf/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}], "default_subjects": "ALL",
        "critical_subject_members": ["tenant"]})


def _shown(provider):
    return json_response(provider.stream.config)


def _other(provider, given):
    """A stream_id that is not the stream's, where one was given."""
    stream = provider.stream
    return stream.config is None or (given is not None and given != stream.config["stream_id"])


def _configure(provider, fields, status):
    stream = provider.stream
    delivery = dict(fields.get("delivery") or {"method": POLL})
    if delivery.get("method") not in (PUSH, POLL):
        return json_response({"err": "invalid_request", "description": "delivery.method"}, 400)
    stream.header = delivery.pop("authorization_header", None)
    if delivery["method"] == POLL:
        delivery["endpoint_url"] = f"{provider.issuer}/ssf/poll"
    requested = fields.get("events_requested", [])
    known = [family + name for family, names in FAMILIES.items() for name in names]
    stream.config = {"stream_id": (stream.config or {}).get("stream_id") or secrets.token_hex(8), "iss": provider.issuer,
                     "aud": next(iter(provider.clients.ids()), "none"), "delivery": delivery,
                     "events_supported": known, "events_requested": requested,
                     "events_delivered": [e for e in requested if e in known], "min_verification_interval": 1}
    return json_response(stream.config, status)


@_managed
def create(provider, request):
    if provider.stream.config is not None:
        return json_response({"err": "invalid_request", "description": "there is a stream"}, 409)
    return _configure(provider, request.json(), 201)


@_managed
def read(provider, request):
    given = request.query.get("stream_id", [None])[0]
    if given is not None and _other(provider, given):
        return json_response({"err": "not_found"}, 404)
    if given is None:
        return json_response([provider.stream.config] if provider.stream.config else [])
    return _shown(provider)


@_managed
def update(provider, request):
    fields = request.json()
    if _other(provider, fields.get("stream_id")):
        return json_response({"err": "not_found"}, 404)
    return _configure(provider, {**provider.stream.config, **fields}, 200)


@_managed
def delete(provider, request):
    if _other(provider, request.query.get("stream_id", [None])[0]):
        return json_response({"err": "not_found"}, 404)
    provider.stream.config = None
    return Response(204)


@_managed
def status(provider, request):
    if _other(provider, request.query.get("stream_id", [None])[0]):
        return json_response({"err": "not_found"}, 404)
    return json_response({"stream_id": provider.stream.config["stream_id"], **provider.stream.status})


@_managed
def verify(provider, request):
    fields = request.json()
    if _other(provider, fields.get("stream_id")):
        return json_response({"err": "not_found"}, 404)
    _verify(provider, fields.get("state"), "ssf")
    return Response(204)


@_managed
def poll(provider, request):
    """RFC 8936: forgets what was acknowledged or refused, then hands out what waits. It never waits itself."""
    fields, stream = request.json(), provider.stream
    with stream.lock:
        for jti in fields.get("ack", []):
            if stream.waiting.pop(jti, None) is not None:
                stream.acknowledged.append(jti)
        for jti, why in fields.get("setErrs", {}).items():
            if stream.waiting.pop(jti, None) is not None:
                stream.refused[jti] = why
        most = fields.get("maxEvents", 16)
        sets = dict(list(stream.waiting.items())[:most])
        return json_response({"sets": sets, "moreAvailable": len(stream.waiting) > len(sets)})


def client_credentials(provider, request):
    """POST /ssf/token: the stream's token, for any client of the provider that shows its secret."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    named, _, secret = base64.b64decode(value).decode().partition(":") if scheme == "Basic" else ("", "", "")
    client = provider.clients.get(urllib.parse.unquote_plus(named))
    if client is None or not client.secret_matches(urllib.parse.unquote_plus(secret)):
        return json_response({"error": "invalid_client"}, 401)
    if request.form().get("grant_type") != ["client_credentials"]:
        return json_response({"error": "unsupported_grant_type"}, 400)
    return json_response({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300})


# Google's RISC API

def _decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _service_account(provider, request):
    """Whether the bearer token is a JWT of the service account, for this API and in time."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    key, parts = provider.stream.service_key, token.split(".")
    if scheme != "Bearer" or key is None or len(parts) != 3:
        return False
    signature = base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
    try:
        key.public_key().verify(signature, f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    header, claims = _decoded(parts[0]), _decoded(parts[1])
    now = provider.clock.now()
    return (header.get("alg") == "RS256" and header.get("kid") == "service-key-1" and claims["aud"] == GOOGLE_AUDIENCE and
            claims["iss"] == claims["sub"] == "signals@project.iam.gserviceaccount.test" and
            claims["iat"] <= now + 60 and now < claims["exp"] <= claims["iat"] + 3600)


def _google(function):
    def serve(provider, request):
        if not _service_account(provider, request):
            return json_response({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, 401)
        return json_response(function(provider, request) or {})
    return serve


@_google
def google_update(provider, request):
    fields = request.json()
    provider.stream.google.update(delivery=fields["delivery"], events_requested=fields["events_requested"])


@_google
def google_read(provider, _):
    google = provider.stream.google
    return {"iss": "https://accounts.google.com/", "aud": provider.clients.ids(), "delivery": google["delivery"],
            "events_delivered": google["events_requested"]}


@_google
def google_status(provider, _):
    return {"status": provider.stream.google["status"]}


@_google
def google_set_status(provider, request):
    provider.stream.google["status"] = request.json()["status"]


@_google
def google_verify(provider, request):
    _verify(provider, request.json().get("state"), "google")


ROUTES = {
    ("GET", "/.well-known/ssf-configuration"): configuration,
    ("POST", "/ssf/stream"): create,
    ("GET", "/ssf/stream"): read,
    ("PATCH", "/ssf/stream"): update,
    ("DELETE", "/ssf/stream"): delete,
    ("GET", "/ssf/status"): status,
    ("POST", "/ssf/verify"): verify,
    ("POST", "/ssf/poll"): poll,
    ("POST", "/ssf/token"): client_credentials,
    ("POST", "/v1beta/stream:update"): google_update,
    ("GET", "/v1beta/stream"): google_read,
    ("GET", "/v1beta/stream/status"): google_status,
    ("POST", "/v1beta/stream/status:update"): google_set_status,
    ("POST", "/v1beta/stream:verify"): google_verify,
}


# The control API's part

def control_signal(provider, request):
    """Mint a security event, and send it: {event, user or sub, aud, format, members, overrides, header, alg, rogue, to, ca, emit}."""
    fields = request.json()
    message = mint(provider, fields)
    if "to" in fields:
        message["answer"] = push(provider, fields["to"], message, fields.get("ca"), fields.get("authorization"))
    elif fields.get("emit"):
        message["answer"] = emit(provider, message)
    return message


def control_stream(provider, request):
    """Tell how the stream stands; {status, reason} changes it."""
    stream, fields = provider.stream, request.json()
    if fields:
        stream.status = fields
    return {"config": stream.config, "status": stream.status, "google": stream.google, "header": stream.header,
            "waiting": list(stream.waiting), "acknowledged": stream.acknowledged, "refused": stream.refused,
            "pushed": stream.pushed}


def control_service_account(provider, _):
    """Make a service account for Google's API; answers its key file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    provider.stream.service_key = key
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"type": "service_account", "private_key_id": "service-key-1", "private_key": pem.decode(),
            "client_email": "signals@project.iam.gserviceaccount.test"}


CONTROL = {
    ("POST", "/control/signal"): control_signal,
    ("POST", "/control/stream"): control_stream,
    ("POST", "/control/service-account"): control_service_account,
}
