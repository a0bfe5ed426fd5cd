"""The embedded control plane as a process of its own."""

import argparse
import asyncio
import gc
import signal

from netns_lab.control_plane.server import embedded


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m netns_lab.control_plane",
        description="The lab's embedded Kubernetes API server and controllers.",
        epilog="example: python -m netns_lab.control_plane --listen 127.0.0.1:6444",
    )
    parser.add_argument("--listen", default="127.0.0.1:6444", metavar="HOST:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    asyncio.run(_serve(host.strip("[]"), int(port)))


async def _serve(host: str, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with embedded(host, port) as server:
        # What start-up made stays for ever: the collector need not walk it again and again.
        gc.freeze()
        print(f"listening on {server.url}", flush=True)
        await stopped.wait()
