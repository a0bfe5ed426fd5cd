"""The certificates of the lab's real control plane: one authority, its certificates, one key.

Keys are P-256 and live as long as the lab; nothing is ever signed for anybody outside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from controller.admission import authority as signing

LIFETIME = timedelta(days=30)
_SLACK = timedelta(minutes=5)
_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs the certificates of one control plane, in one folder."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self._now = now or datetime.now(UTC)  # noqa: TID251 -- certificates carry the wall clock
        self._authority = signing.Authority.new(
            signing.named("herald-lab"), _new_key(), _serial(), self._validity(self._now + LIFETIME)
        )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.certificate.write_bytes(signing.certificate_pem(self._authority.certificate))

    def issue(
        self,
        file: str,
        name: str,
        groups: Sequence[str] = (),
        hosts: Sequence[str] = (),
        *,
        expired: bool = False,
    ) -> KeyPair:
        """Write a certificate for a user, or for a server at `hosts`, and its key."""
        key = _new_key()
        subject = signing.Subject(
            signing.named(name, groups),  # Kubernetes takes the user from CN, the groups from O
            key.public_key(),
            usages=(_CLIENT, _SERVER) if hosts else (_CLIENT,),
            hosts=[_host(each) for each in hosts],
        )
        end = self._now - _SLACK if expired else self._now + LIFETIME
        signed = self._authority.sign(subject, _serial(), self._validity(end))
        pair = KeyPair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        pair.certificate.write_bytes(signing.certificate_pem(signed))
        _write_key(pair.key, key)
        return pair

    def _validity(self, end: datetime) -> signing.Validity:
        return signing.Validity(min(self._now - _SLACK, end - LIFETIME), end)


def write_signing_key(folder: Path) -> KeyPair:
    """Write the key pair that signs service account tokens."""
    key = _new_key()
    pair = KeyPair(folder / "service-accounts.pub", folder / "service-accounts.key")
    pair.certificate.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    _write_key(pair.key, key)
    return pair


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(signing.key_pem(key))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _serial() -> int:
    return x509.random_serial_number()


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
