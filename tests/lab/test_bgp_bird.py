"""The same speaker against BIRD 2, which shares no code with FRR."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speaker.seam.messages import RouteRemoved
from tests.lab.bgp_lab import (
    SEEN_S,
    SPEAKER,
    SPEAKER6,
    bgp_lab,
    needs_lab,
    peer,
    route,
    run,
    spawn,
    until,
)
from tests.lab.required import skip_without

BIRD = shutil.which("bird")
pytestmark = [
    *needs_lab,
    skip_without(BIRD, "needs BIRD: apt-get install bird2"),
]
VIP, VIP6 = "192.168.4.10/32", "fd00:4::10/128"

CONFIG = f"""
router id 10.9.0.2;
protocol device {{ }}
protocol bgp speaker {{
  local 10.9.0.2 as 64513;
  neighbor {SPEAKER} as 64512;
  password "a secret";
  hold time 9;
  ipv4 {{ import all; export none; }};
  ipv6 {{ import all; export none; }};
}}
"""


class Bird:
    """A running BIRD."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def ask(self, command: str) -> str:
        """Return what birdc says."""
        return run("birdc", "-s", str(self._control), *command.split(), check=False)

    def route(self, prefix: str) -> str:
        """Return all that is known of a prefix; empty if nothing is."""
        said = self.ask(f"show route {prefix} all")
        return said if prefix in said else ""


@contextmanager
def bird(namespace: str, folder: Path) -> Iterator[Bird]:
    """Run BIRD in the namespace."""
    assert BIRD is not None
    config, control = folder / "bird.conf", folder / "bird.ctl"
    config.write_text(CONFIG)
    child = spawn(namespace, BIRD, "-f", "-c", str(config), "-s", str(control))
    try:
        yield Bird(control)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


async def test_bird_learns_both_families_and_every_attribute() -> None:
    async with bgp_lab("", "--bgp-wait-s", str(SEEN_S)) as lab:
        with bird(lab.namespaces.router, lab.folder) as router:
            lab.brain.say(
                peer(password="a secret"),
                route(VIP, communities=("64512:7", "large:64512:1:2")),
                route(VIP6),
            )
            lab.brain.start()

            found = await until(lambda: router.route(VIP), "the IPv4 route")
            assert "BGP.next_hop: 10.9.0.1" in found
            assert "BGP.community: (64512,7)" in found
            assert "BGP.large_community: (64512, 1, 2)" in found
            found = await until(lambda: router.route(VIP6), "the IPv6 route")
            assert f"BGP.next_hop: {SPEAKER6}" in found
            lab.brain.say(RouteRemoved(route(VIP6).prefix))
            await until(lambda: not router.route(VIP6), "its withdrawal")
            lab.speaker.terminate()
            found = await until(lambda: "65535,0" in (said := router.route(VIP)) and said, "GSHUT")
            assert "BGP.as_path: 64512 64512 64512 64512" in found
            assert "BGP.med: 4294967295" in found
            await until(lambda: not router.route(VIP), "withdrawal")
            await until(lab.speaker.ended, "its end")
