"""A certificate authority: its own certificate and those that it signs, and how keys are written.

The webhook's certificate is made with it, and all of those in the lab's real control plane. Keys,
serial numbers and times are arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is good."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for, where that can be reached, and what it may be used for."""

    name: x509.Name
    key: ec.EllipticCurvePublicKey
    usages: tuple[x509.ObjectIdentifier, ...]
    hosts: Sequence[x509.GeneralName] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs with its key, in its name."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(
        cls, name: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int, validity: Validity
    ) -> Self:
        """Return an authority that vouches for itself."""
        own = (
            _builder(name, name, key.public_key(), serial, validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
        )
        return cls(name, key, own.sign(key, hashes.SHA256()))

    def sign(self, subject: Subject, serial: int, validity: Validity) -> x509.Certificate:
        """Return a certificate for a server or a client, who can't sign others with it."""
        builder = (
            _builder(subject.name, self.name, subject.key, serial, validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(subject.usages), critical=False)
        )
        if subject.hosts:
            names = x509.SubjectAlternativeName(subject.hosts)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def named(name: str, organizations: Sequence[str] = ()) -> x509.Name:
    """Return the name of a certificate's subject."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return the certificate as files and Secrets hold it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key as files and Secrets hold it, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(validity.begins)
        .not_valid_after(validity.ends)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
