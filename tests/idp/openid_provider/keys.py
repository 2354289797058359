# SPDX-License-Identifier: Apache-2.0
"""The keys that sign ID tokens: one current key an algorithm, retired ones still published."""

import json
import os
import threading

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from jwcrypto import jwk

from .tls import write_file

ALGORITHMS = ("ES256", "RS256")
COORDINATE_BYTES = 32  # P-256, RFC 7518 section 3.4
RSA_BITS = 2048
RETIRED_MAX = 16  # so that rotating for ever does not grow the JWKS for ever


def _generate(alg):
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


class SigningKey:
    """A private key with the algorithm and key id that it is published under."""

    def __init__(self, alg, private, kid=None):
        self.alg = alg
        self.private = private
        self.jwk = jwk.JWK.from_pyca(private)
        self.kid = kid or self.jwk.thumbprint()

    @classmethod
    def generate(cls, alg, kid=None):
        return cls(alg, _generate(alg), kid)

    @classmethod
    def from_record(cls, record):
        private = jwk.JWK(**record["jwk"]).get_op_key("sign")
        return cls(record["alg"], private, record["kid"])

    def to_record(self):
        return {"alg": self.alg, "kid": self.kid, "jwk": self.jwk.export_private(as_dict=True)}

    def public_jwk(self):
        members = self.jwk.export_public(as_dict=True)
        return {**members, "kid": self.kid, "use": "sig", "alg": self.alg}

    def private_jwk(self):
        return {**self.public_jwk(), **self.jwk.export_private(as_dict=True), "kid": self.kid}

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data):
        """The JWS signature of `data`, RFC 7518 sections 3.3 and 3.4."""
        if self.alg == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(self.sign_der(data))
        return r.to_bytes(COORDINATE_BYTES, "big") + s.to_bytes(COORDINATE_BYTES, "big")

    def sign_der(self, data):
        """An ECDSA signature in the encoding that JWS does not allow."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))


class KeyRing:
    """Current and retired keys, kept in one file so that a restart signs with the same keys."""

    def __init__(self, path):
        self._path = path
        self._lock = threading.Lock()
        self._current = {}
        self._retired = []
        self._rogue = {}
        if os.path.exists(path):
            self._load()
        for alg in ALGORITHMS:
            if alg not in self._current:
                self._current[alg] = SigningKey.generate(alg)
        self._save()

    def _load(self):
        with open(self._path, encoding="utf-8") as file:
            stored = json.load(file)
        self._current = {r["alg"]: SigningKey.from_record(r) for r in stored["current"]}
        self._retired = [SigningKey.from_record(r) for r in stored["retired"]]

    def _save(self):
        stored = {"current": [key.to_record() for key in self._current.values()],
                  "retired": [key.to_record() for key in self._retired]}
        write_file(self._path, json.dumps(stored).encode(), 0o600)

    def current(self, alg):
        with self._lock:
            return self._current[alg]

    def published(self):
        """Every key that a verifier should know, current ones first."""
        with self._lock:
            return list(self._current.values()) + list(self._retired)

    def rogue(self, alg):
        """A key of this algorithm that is never published."""
        with self._lock:
            if alg not in self._rogue:
                self._rogue[alg] = SigningKey.generate(alg)
            return self._rogue[alg]

    def rotate(self, algs, keep_old=True, same_kid=False):
        """Sign with new keys from now on; return {alg: kid}. Old keys stay published or vanish."""
        fresh = {}
        for alg in algs:
            kid = self.current(alg).kid if same_kid else None
            fresh[alg] = SigningKey.generate(alg, kid)  # slow for RSA: outside the lock
        with self._lock:
            for alg, key in fresh.items():
                self._retire(alg, keep_old and not same_kid)
                self._current[alg] = key
            self._save()
        return {alg: key.kid for alg, key in fresh.items()}

    def _retire(self, alg, keep):
        if keep:
            self._retired = [self._current[alg], *self._retired][:RETIRED_MAX]
        else:
            self._retired = [key for key in self._retired if key.alg != alg]
