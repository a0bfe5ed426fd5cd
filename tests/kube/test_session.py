"""Credentials that change while a daemon runs: no restart is needed."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kube.client import ApiError, Client
from kube.session.client import Session

START = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def client_of(kubeconfig: Path, *, reload_interval_s: float) -> AsyncGenerator[Client, None]:
    session = Session(str(kubeconfig), reload_interval_s=reload_interval_s)
    await session.open()
    try:
        yield Client(session)
    finally:
        await session.close()


@asynccontextmanager
async def serve(tokens: set[str], tls: ssl.SSLContext | None = None) -> AsyncGenerator[str, None]:
    async def answer(request: web.Request) -> web.Response:
        if request.headers["Authorization"].lower().removeprefix("bearer ") in tokens:
            return web.json_response({"kind": "Thing"})
        return web.json_response({"kind": "Status", "reason": "Unauthorized"}, status=401)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def write(file: Path, server: str, token: str, authority: Path | None = None) -> None:
    trust = f', certificate-authority: "{authority}"' if authority else ""
    file.write_text(
        f"""
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{server}"{trust}}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
"""
    )


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=365_00))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
    )
    pem = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(pem)
    key_file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return cert_file, key_file


async def test_token_that_was_refused_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    async with serve({"new"}) as server:
        write(file, server, "old")
        async with client_of(file, reload_interval_s=0.0) as client:
            with pytest.raises(ApiError) as caught:
                await client.get("/x")
            assert caught.value.status == 401
            write(file, server, "new")
            assert await client.get("/x") == {"kind": "Thing"}


async def test_credentials_are_not_read_at_each_refusal(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    async with serve({"new"}) as server:
        write(file, server, "old")
        async with client_of(file, reload_interval_s=60.0) as client:
            write(file, server, "new")
            for _ in range(3):
                with pytest.raises(ApiError, match="401"):
                    await client.get("/x")


async def test_kubeconfig_that_is_half_written_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    tokens = {"good"}
    async with serve(tokens) as server:
        write(file, server, "good")
        async with client_of(file, reload_interval_s=0.0) as client:
            tokens.clear()
            with pytest.raises(ApiError, match="401"):
                await client.get("/x")
            file.write_text("clusters: [")
            tokens.add("good")
            assert await client.get("/x") == {"kind": "Thing"}


async def test_authority_that_was_replaced_is_trusted_without_a_restart(tmp_path: Path) -> None:
    old, _ = certificate(tmp_path, "old")
    new, key = certificate(tmp_path, "new")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(new, key)
    file = tmp_path / "kubeconfig"
    async with serve({"t"}, tls) as server:
        write(file, server, "t", old)
        async with client_of(file, reload_interval_s=0.0) as client:
            with pytest.raises(ApiError, match="Unreachable"):
                await client.get("/x")
            write(file, server, "t", new)
            assert await client.get("/x") == {"kind": "Thing"}


async def test_requests_under_way_are_not_disturbed_when_credentials_change(
    tmp_path: Path,
) -> None:
    file = tmp_path / "kubeconfig"
    async with serve({"good"}) as server:
        write(file, server, "bad")
        async with client_of(file, reload_interval_s=0.0) as client:
            with pytest.raises(ApiError, match="401"):
                await client.get("/x")
            write(file, server, "good")
            answers = await asyncio.gather(
                *(client.get("/x") for _ in range(20)), return_exceptions=True
            )
            # Only those that were sent with the old credentials are refused.
            assert all(isinstance(each, dict) or "401" in str(each) for each in answers)
            assert await client.get("/x") == {"kind": "Thing"}
