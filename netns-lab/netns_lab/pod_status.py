"""The status that the lab's kubelets report of a Pod: `kubectl get pods` reads all of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netns_lab.orders import Json


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What is to be told of one container."""

    ready: bool
    restarts: int = 0


def pod_status(
    obj: Json, host: str, addresses: Sequence[str], states: Mapping[str, ContainerState]
) -> Json:
    """Return the status of a running Pod; a container without a state is not ready."""
    containers = obj["spec"].get("containers") or ()
    found = {each["name"]: states.get(each["name"], ContainerState(False)) for each in containers}
    ready = all(state.ready for state in found.values())
    return {
        "phase": "Running",
        "hostIP": host,
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
        "conditions": list(_conditions(ready)),
        "containerStatuses": [
            {
                "name": each["name"],
                "image": each.get("image") or "",
                "imageID": "",
                "ready": found[each["name"]].ready,
                "started": True,
                "restartCount": found[each["name"]].restarts,
                "state": {"running": {}},
            }
            for each in containers
        ],
    }


def all_alike(obj: Json, *, ready: bool) -> dict[str, ContainerState]:
    """Return the states of a Pod whose containers can't be told apart."""
    containers = obj["spec"].get("containers") or ()
    return {each["name"]: ContainerState(ready) for each in containers}


def _conditions(ready: bool) -> Iterable[Json]:
    text = "True" if ready else "False"
    yield {"type": "PodScheduled", "status": "True"}
    yield {"type": "Initialized", "status": "True"}
    yield {"type": "ContainersReady", "status": text}
    yield {"type": "Ready", "status": text}
