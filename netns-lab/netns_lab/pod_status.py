"""The status that the lab's kubelets report of a Pod: `kubectl get pods` reads all of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netns_lab.orders import Json


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What is to be told of one container."""

    ready: bool
    restarts: int = 0


SILENCES_MAX = 3
"""As many probes as a kubelet lets fail by default before it calls a container not ready."""


@dataclass(slots=True)
class Readiness:
    """What the probes of one container say together.

    A busy machine lets one go unanswered now and then: only silence that lasts is a verdict, but
    a container that has been started anew is not ready before it has answered.
    """

    starts: int = 0
    silences: int = SILENCES_MAX

    def judge(self, starts: int, status: int | None) -> bool:
        """Take the HTTP status of the next probe, None for silence; return whether it is ready."""
        if starts != self.starts:
            self.starts, self.silences = starts, SILENCES_MAX
        if status is None:
            self.silences += 1
        else:
            self.silences = 0 if status == 200 else SILENCES_MAX
        return self.silences < SILENCES_MAX


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
