# SPDX-License-Identifier: Apache-2.0
"""Certificates for one demonstration: an authority whose key is forgotten, a server for loopback, a client."""
import datetime
import hashlib
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 30  # a demonstration, not an installation

FILES = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")


def private_file(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(data)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, issuer, key, signer, signer_key, extensions):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(hours=1))
               .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer_key, hashes.SHA256())


def _usage(*wanted):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in wanted for name in names})


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def make(directory):
    """Writes FILES into the directory, unless they are there."""
    if all(os.path.exists(os.path.join(directory, name)) for name in FILES):
        return
    authority_name = "Countersign quickstart CA"
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _certificate(authority_name, authority_name, authority, authority.public_key(), authority, [
        (x509.BasicConstraints(ca=True, path_length=0), True), (_usage("key_cert_sign", "crl_sign"), True)])
    here = x509.SubjectAlternativeName([x509.DNSName("localhost"),
                                        x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaves = (("server", "localhost", ExtendedKeyUsageOID.SERVER_AUTH, [(here, False)]),
              ("client", "checkout", ExtendedKeyUsageOID.CLIENT_AUTH, []))
    for name, subject, use, more in leaves:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(subject, authority_name, key, authority.public_key(), authority, [
            (x509.BasicConstraints(ca=False, path_length=None), True), (_usage("digital_signature"), True),
            (x509.ExtendedKeyUsage([use]), False), *more])
        private_file(os.path.join(directory, name + ".key"), _key_pem(key))
        private_file(os.path.join(directory, name + ".pem"), leaf.public_bytes(serialization.Encoding.PEM))
    private_file(os.path.join(directory, "ca.pem"), root.public_bytes(serialization.Encoding.PEM))


def fingerprint(path):
    """SHA-256 of a certificate, as the configuration wants it."""
    with open(path, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
