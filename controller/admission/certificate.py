"""The webhook's certificate: what is in its Secret, whether it will do, and how one is made.

Each time one is due, a new authority signs one server certificate and its key is thrown away, so
nobody can ever sign another. The authority before it stays in `ca.crt` behind the new one: while
replicas change over, the API server trusts the certificates of both. Keys, serial numbers and the
time are arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from controller.admission.authority import (
    Authority,
    Subject,
    Validity,
    certificate_pem,
    key_pem,
    named,
)

LIFETIME = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
"""A third of the lifetime, as for certificates of the web: time to see that renewing fails."""
SLACK = timedelta(hours=1)
"""Of clocks that differ: a certificate is valid from that long before it was made."""

AUTHORITIES, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
"""Keys of the Secret, as `kubernetes.io/tls` has them."""


class Flaw(Enum):
    """Why a new certificate is due."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    "The parts don't belong together, or it is for another host."
    EXPIRED = "expired"
    "Or not valid yet."
    EXPIRING = "expiring"
    "Still good; it is renewed in time."


@dataclass(frozen=True, slots=True)
class Material:
    """What a server needs, and what its clients need to trust it; all of it PEM."""

    certificate: bytes
    key: bytes
    authorities: bytes
    expires: datetime

    def __repr__(self) -> str:
        return f"Material(expires={self.expires})"

    def secret(self) -> dict[str, bytes]:
        """Return the Secret's content."""
        return {AUTHORITIES: self.authorities, CERTIFICATE: self.certificate, KEY: self.key}


@dataclass(frozen=True, slots=True)
class Keys:
    """Fresh randomness: the keys of an authority and a server, and their serial numbers."""

    authority: ec.EllipticCurvePrivateKey
    server: ec.EllipticCurvePrivateKey
    serials: tuple[int, int]


def inspect(
    secret: Mapping[str, bytes], host: str, now: datetime
) -> tuple[Material | None, Flaw | None]:
    """Return what can be served, if anything, and why a new one is due, if it is."""
    if not all(secret.get(name) for name in (AUTHORITIES, CERTIFICATE, KEY)):
        return None, Flaw.MISSING
    try:
        authorities = x509.load_pem_x509_certificates(secret[AUTHORITIES])
        certificate = x509.load_pem_x509_certificate(secret[CERTIFICATE])
        key = serialization.load_pem_private_key(secret[KEY], password=None)
    except (ValueError, TypeError):
        return None, Flaw.UNREADABLE
    if key.public_key() != certificate.public_key() or host not in _hosts(certificate):
        return None, Flaw.FOREIGN
    if not _signed_by(certificate, authorities[0]):
        return None, Flaw.FOREIGN
    expires = min(certificate.not_valid_after_utc, authorities[0].not_valid_after_utc)
    if not certificate.not_valid_before_utc <= now < expires:
        return None, Flaw.EXPIRED
    found = Material(secret[CERTIFICATE], secret[KEY], secret[AUTHORITIES], expires)
    return found, Flaw.EXPIRING if now >= expires - RENEW_BEFORE else None


def issue(host: str, keys: Keys, now: datetime, before: Material | None = None) -> Material:
    """Return a new certificate for the host; clients go on trusting the one `before`."""
    validity = Validity(now - SLACK, now + LIFETIME)
    authority = Authority.new(_name(f"{host} authority"), keys.authority, keys.serials[0], validity)
    subject = Subject(
        _name(host),
        keys.server.public_key(),
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        hosts=(x509.DNSName(host),),
    )
    server = authority.sign(subject, keys.serials[1], validity)
    trusted = [authority.certificate]
    if before is not None:
        trusted += x509.load_pem_x509_certificates(before.authorities)[:1]
    return Material(
        certificate=certificate_pem(server),
        key=key_pem(keys.server),
        authorities=b"".join(certificate_pem(each) for each in trusted),
        expires=server.not_valid_after_utc,
    )


def _name(text: str) -> x509.Name:
    # RFC 5280 allows 64 characters here; clients read the alternative name.
    return named(text[:64])


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.value.get_values_for_type(x509.DNSName)


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True
