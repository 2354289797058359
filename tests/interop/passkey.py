# SPDX-License-Identifier: Apache-2.0
"""An authenticator and the browser round it, in software, that can be told to get any one thing wrong.

    passkey = Passkey("pay.example", "https://pay.example")
    answer = passkey.register(options["challenge"])           # JSON text, as PublicKeyCredential.toJSON() gives it
    answer = passkey.sign(challenge)                          # flags=, origin=, counter=, ... change one thing
Everything is signed after it was changed, so that what is refused is refused for that one thing.
"""
import base64
import datetime
import functools
import hashlib
import json
import os
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
ALGORITHMS = {"ES256": -7, "EdDSA": -8, "RS256": -257, "ES384": -35}
AAGUID_OID = ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for low, size in ((24, 1), (25, 2), (26, 4)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | low]) + number.to_bytes(size, "big")
    raise ValueError(number)


def cbor(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


@functools.lru_cache
def rsa_key(bits):
    """One of a size: making one takes seconds."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_key(algorithm, bits=2048):
    if algorithm == "RS256":
        return rsa_key(bits)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())


def cose(algorithm, key):
    public = key.public_key()
    if algorithm == "RS256":
        n = public.public_numbers()
        return {1: 3, 3: -257, -1: n.n.to_bytes((n.n.bit_length() + 7) // 8, "big"), -2: n.e.to_bytes(3, "big")}
    if algorithm == "EdDSA":
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {1: 1, 3: -8, -1: 6, -2: raw}
    n, size = public.public_numbers(), 48 if algorithm == "ES384" else 32
    return {1: 2, 3: ALGORITHMS[algorithm], -1: 2 if algorithm == "ES384" else 1, -2: n.x.to_bytes(size, "big"),
            -3: n.y.to_bytes(size, "big")}


def signature(algorithm, key, data):
    if algorithm == "RS256":
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if algorithm == "EdDSA":
        return key.sign(data)
    return key.sign(data, ec.ECDSA(hashes.SHA384() if algorithm == "ES384" else hashes.SHA256()))


def certificate(key, aaguid, unit="Authenticator Attestation", ca=False, extension=None):
    """Of a batch of authenticators, after section 8.2.1."""
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
                      x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
                      x509.NameAttribute(NameOID.COMMON_NAME, "Batch")])
    start = datetime.datetime(2020, 1, 1)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(7).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.UnrecognizedExtension(AAGUID_OID, b"\x04\x10" + (extension or aaguid)), critical=False))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Passkey:
    def __init__(self, rp_id, origin, algorithm="ES256", flags=UP | UV, counter=0, id_len=32, bits=2048):
        self.rp_id, self.origin, self.algorithm, self.flags = rp_id, origin, algorithm, flags
        self.counter, self.id, self.aaguid = counter, os.urandom(id_len), os.urandom(16)
        self.key, self.user_handle = private_key(algorithm, bits), None

    def _client_data(self, type_, challenge, changes):
        data = {"type": type_, "challenge": challenge if isinstance(challenge, str) else b64(challenge),
                "origin": self.origin, "crossOrigin": False}
        data.update(changes.pop("client", {}))
        text = json.dumps({k: v for k, v in data.items() if v is not None}, separators=(",", ":")).encode()
        return changes.pop("prefix", b"") + text

    def _authdata(self, flags, changes, credential=b""):
        extensions = changes.pop("extensions", None)
        flags |= ED if extensions is not None else 0
        return (hashlib.sha256(changes.pop("rp_id", self.rp_id).encode()).digest() + bytes([flags]) +
                struct.pack(">I", changes.pop("counter", self.counter)) + credential +
                (cbor(extensions) if extensions is not None else b""))

    def _credential(self, response, changes):
        id_ = b64(changes.pop("id", self.id))
        made = {"id": id_, "rawId": id_, "type": "public-key", "authenticatorAttachment": "platform",
                "clientExtensionResults": {}, "response": response}
        made.update(changes.pop("answer", {}))
        assert not changes, changes
        return json.dumps(made)

    def _statement(self, format_, authdata, digest, changes):
        batch = changes.pop("batch", None) or ec.generate_private_key(ec.SECP256R1())
        broken = b"x" if changes.pop("bad_statement", False) else b""
        if format_ == "none":
            return "none", changes.pop("statement", {})
        if format_ == "self":
            return "packed", {"alg": changes.pop("statement_alg", ALGORITHMS[self.algorithm]),
                              "sig": signature(self.algorithm, self.key, authdata + digest + broken)}
        x5c = [certificate(batch, self.aaguid, **changes.pop("certificate", {}))]
        if format_ == "packed":
            return "packed", {"alg": -7, "sig": signature("ES256", batch, authdata + digest + broken), "x5c": x5c}
        if format_ == "fido-u2f":
            n = self.key.public_key().public_numbers()
            point = b"\x04" + n.x.to_bytes(32, "big") + n.y.to_bytes(32, "big")
            signed = b"\0" + authdata[:32] + digest + self.id + point + broken
            return "fido-u2f", {"sig": signature("ES256", batch, signed), "x5c": x5c}
        return format_, {}

    def register(self, challenge, attestation="none", **changes):
        data = self._client_data(changes.pop("type", "webauthn.create"), challenge, changes)
        if attestation == "fido-u2f":
            self.aaguid = bytes(16)
        id_len = changes.pop("id_len", len(self.id))
        credential = (self.aaguid + struct.pack(">H", id_len) + self.id +
                      cbor(changes.pop("cose", None) or cose(self.algorithm, self.key)))
        flags = changes.pop("flags", self.flags) | AT
        authdata = self._authdata(flags, changes, credential)
        format_, statement = self._statement(attestation, authdata, hashlib.sha256(data).digest(), changes)
        attested = cbor({"fmt": format_, "attStmt": statement, "authData": authdata}) + changes.pop("behind", b"")
        return self._credential({"clientDataJSON": b64(data), "attestationObject": b64(attested),
                                 "transports": ["internal"]}, changes)

    def sign(self, challenge, **changes):
        data = self._client_data(changes.pop("type", "webauthn.get"), challenge, changes)
        if "counter" not in changes and self.counter > 0:
            self.counter += 1
        authdata = self._authdata(changes.pop("flags", self.flags), changes)
        key, algorithm = changes.pop("key", self.key), changes.pop("algorithm", self.algorithm)
        signed = signature(algorithm, key, authdata + hashlib.sha256(data).digest())
        response = {"clientDataJSON": b64(data), "authenticatorData": b64(authdata), "signature": b64(signed)}
        handle = changes.pop("user_handle", self.user_handle)
        if handle is not None:
            response["userHandle"] = b64(handle)
        return self._credential(response, changes)
