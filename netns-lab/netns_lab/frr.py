"""The router: FRR's configuration as text, and the command lines of its daemons.

The daemons run with their own sockets and pid files inside the lab's state folder, beside any FRR
that the machine may have.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from netns_lab.plan import LAN_V4, LAN_V6, NODE_AS, NODES_MAX, ROUTER_AS

BINARIES = Path("/usr/lib/frr")
DAEMONS = ("zebra", "bgpd", "bfdd")
MAXIMUM_PATHS = 16
BFD_INTERVAL_MS, BFD_MULTIPLIER = 100, 3

HEAD = """\
frr defaults traditional
hostname router
log stdout informational
log timestamp precision 3
"""

ZEBRA = """\
! Routes with their next hops written out: `ip route` then shows what a flow can take.
no zebra nexthop kernel enable
"""

BGPD = f"""\
router bgp {ROUTER_AS}
 bgp router-id {LAN_V4[1]}
 bgp log-neighbor-changes
 ! Debian's FRR would otherwise drop every route of a peer without a policy (RFC 8212).
 no bgp ebgp-requires-policy
 bgp bestpath as-path multipath-relax
 neighbor nodes peer-group
 neighbor nodes remote-as {NODE_AS}
 neighbor nodes bfd
 neighbor nodes bfd profile herald
 bgp listen limit {NODES_MAX}
 bgp listen range {LAN_V4} peer-group nodes
 bgp listen range {LAN_V6} peer-group nodes
 address-family ipv4 unicast
  neighbor nodes activate
  neighbor nodes soft-reconfiguration inbound
  maximum-paths {MAXIMUM_PATHS}
 exit-address-family
 address-family ipv6 unicast
  neighbor nodes activate
  neighbor nodes soft-reconfiguration inbound
  maximum-paths {MAXIMUM_PATHS}
 exit-address-family
exit
"""

BFDD = f"""\
bfd
 profile herald
  detect-multiplier {BFD_MULTIPLIER}
  receive-interval {BFD_INTERVAL_MS}
  transmit-interval {BFD_INTERVAL_MS}
 exit
exit
"""

CONFIGS = {"zebra": ZEBRA, "bgpd": BGPD, "bfdd": BFDD}


@dataclass(frozen=True, slots=True)
class Router:
    """FRR in one folder."""

    folder: Path

    @property
    def zebra_socket(self) -> Path:
        """Where zebra listens; a daemon that finds nobody there tries again after 10 s only."""
        return self.folder / "zserv.api"

    def config(self, daemon: str) -> Path:
        """Return the path of a daemon's configuration."""
        return self.folder / f"{daemon}.conf"

    def write(self) -> None:
        """Write the folder; the daemons drop to FRR's own user, who owns it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for daemon in DAEMONS:
            self.config(daemon).write_text(HEAD + CONFIGS[daemon])
        (self.folder / "vtysh.conf").write_text("")
        shutil.chown(self.folder, "frr", "frr")

    @property
    def shell(self) -> list[str]:
        """The command line of vtysh; add `-c COMMAND`."""
        # The installed /etc/frr/vtysh.conf is not ours to read.
        return ["vtysh", "--vty_socket", str(self.folder), "--config_dir", str(self.folder)]

    def command(self, daemon: str) -> list[str]:
        """Return the command line of a daemon, which stays in the foreground."""
        return [
            str(BINARIES / daemon),
            *("-f", str(self.config(daemon))),
            *("-i", str(self.folder / f"{daemon}.pid")),
            *("-z", str(self.zebra_socket)),
            *("--vty_socket", str(self.folder)),
            *(("--bfdctl", str(self.folder / "bfdd.sock")) if daemon == "bfdd" else ()),
            # No vty on TCP.
            *("-P", "0"),
        ]


def missing() -> list[str]:
    """Return the daemons that this machine lacks."""
    return [daemon for daemon in DAEMONS if not (BINARIES / daemon).exists()]
