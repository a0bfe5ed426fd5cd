"""The fault proxy as a process of its own."""

import argparse
import asyncio
import gc
import signal
import ssl
from pathlib import Path

from netns_lab.faults.control import serve_control
from netns_lab.faults.proxy import FaultProxy, Upstream


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m netns_lab.faults",
        description="A proxy that breaks the API server behind it, as it is told.",
        epilog="example: python -m netns_lab.faults --listen 127.0.0.1:6443"
        " --upstream 127.0.0.1:6444 --control /tmp/faults.sock",
    )
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--upstream", "--target", required=True, metavar="HOST:PORT")
    parser.add_argument("--control", required=True, type=Path, metavar="SOCKET")
    parser.add_argument("--tls-cert", type=Path, help="answer with TLS, as the API server would")
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--upstream-ca", type=Path, help="dial the API server with TLS")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    host, port = _address(arguments.listen)
    dial = (
        ssl.create_default_context(cafile=arguments.upstream_ca) if arguments.upstream_ca else None
    )
    listen: ssl.SSLContext | None = None
    if arguments.tls_cert:
        listen = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        listen.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    proxy = FaultProxy(host, port, Upstream(*_address(arguments.upstream), dial), listen)
    await proxy.start()
    control = await serve_control(proxy, arguments.control)
    gc.freeze()
    print(f"listening on {host}:{proxy.port}", flush=True)
    await stopped.wait()
    control.close()
    await proxy.stop()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
