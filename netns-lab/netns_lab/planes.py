"""Which control planes a lab can have, by name: `embedded` and `kube`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from netns_lab.commands import CONTROL_ADDRESS
from netns_lab.control_plane.planes import ControlPlane, EmbeddedPlane, Place
from netns_lab.orders import LabError
from netns_lab.plan import API_PORT, API_SERVER_PORT
from netns_lab.state import StateFolder

if TYPE_CHECKING:
    from netns_lab.control_plane.binaries import Binaries

EMBEDDED, KUBE = "embedded", "kube"
PLANES = (EMBEDDED, KUBE)


def make_plane(name: str, state: StateFolder) -> ControlPlane:
    """Return the control plane of a lab; its files go into the lab's state folder."""
    place = Place(CONTROL_ADDRESS, API_SERVER_PORT, API_PORT)
    if name == EMBEDDED:
        return EmbeddedPlane(state.plane, place)
    from netns_lab.control_plane.kube import KubePlane

    return KubePlane(state.plane, place, _binaries())


def check_plane(name: str) -> None:
    """Raise LabError when this machine can't run the control plane; say what to do."""
    if name not in PLANES:
        raise LabError(f"no control plane {name!r}: there are {', '.join(PLANES)}")
    if name == KUBE:
        _binaries()


def kubectl() -> Path:
    """Return where kubectl is; raise LabError when it is nowhere."""
    return _binaries()["kubectl"]


def _binaries() -> "Binaries":
    from netns_lab.control_plane.binaries import find

    found, missing = find(os.environ)
    if missing:
        raise LabError(f"Kubernetes' {', '.join(missing)} missing: `make kube` provides them")
    return found
