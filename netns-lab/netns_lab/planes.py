"""Which control planes a lab can have: `embedded`, and `kube` with a mode of kube-proxy."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netns_lab.commands import CONTROL_ADDRESS
from netns_lab.control_plane.planes import ControlPlane, EmbeddedPlane, Place
from netns_lab.orders import LabError
from netns_lab.plan import API_PORT, API_SERVER_PORT, PlanError
from netns_lab.state import StateFolder

if TYPE_CHECKING:
    from netns_lab.control_plane.binaries import Binaries

EMBEDDED, KUBE = "embedded", "kube"
PLANES = (EMBEDDED, KUBE)
NFTABLES, IPTABLES = "nftables", "iptables"
PROXY_MODES = (NFTABLES, IPTABLES)
IPTABLES_PROGRAMS = ("iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore")
"""What kube-proxy runs in that mode; Debian's package has them all."""


@dataclass(frozen=True, slots=True)
class PlaneChoice:
    """A control plane by name, and the mode of the kube-proxies where they are real ones.

    Raises PlanError for what there is not.
    """

    name: str = EMBEDDED
    proxy_mode: str = ""
    "Empty for the plane's own: nftables on `kube`; the embedded one has a proxy of its own."

    def __post_init__(self) -> None:
        if self.name not in PLANES:
            raise PlanError(f"no control plane {self.name!r}: there are {', '.join(PLANES)}")
        if not self.proxy_mode:
            return
        if self.proxy_mode not in PROXY_MODES:
            there = ", ".join(PROXY_MODES)
            raise PlanError(f"no mode {self.proxy_mode!r} of kube-proxy: there are {there}")
        if self.name != KUBE:
            raise PlanError(
                f"the {self.name} control plane has no kube-proxy whose mode could be chosen:"
                f" the control plane {KUBE} has"
            )


USUAL = PlaneChoice()


def make_plane(choice: PlaneChoice, state: StateFolder) -> ControlPlane:
    """Return the control plane of a lab; its files go into the lab's state folder."""
    place = Place(CONTROL_ADDRESS, API_SERVER_PORT, API_PORT)
    if choice.name == EMBEDDED:
        return EmbeddedPlane(state.plane, place)
    from netns_lab.control_plane.kube import KubePlane

    return KubePlane(state.plane, place, _binaries(), proxy_mode=choice.proxy_mode or NFTABLES)


def check_plane(choice: PlaneChoice) -> None:
    """Raise LabError when this machine can't run the control plane; say what to do."""
    if choice.name == KUBE:
        _binaries()
    if choice.proxy_mode == IPTABLES:
        lacking = [program for program in IPTABLES_PROGRAMS if not shutil.which(program)]
        if lacking:
            raise LabError(f"{', '.join(lacking)} missing: apt-get install iptables")


def kubectl() -> Path:
    """Return where kubectl is; raise LabError when it is nowhere."""
    return _binaries()["kubectl"]


def _binaries() -> "Binaries":
    from netns_lab.control_plane.binaries import find

    found, missing = find(os.environ)
    if missing:
        raise LabError(f"Kubernetes' {', '.join(missing)} missing: `make kube` provides them")
    return found
