"""What the lab runs in place of an image: there are none here, so their names choose a server.

| image (repository, without tag) | served on each containerPort |
|---|---|
| `echo`, `.../echo` | TCP and UDP echo; stops serving at the end of its grace period |
| everything else, for example `nginx` | HTTP: the Pod's ordinal name, `web1` and so on |

`herald` itself is not run from here: the lab's supervisor starts the daemons.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Server(Enum):
    """Kinds of servers that the pod runner has."""

    WEB = "web"
    ECHO = "echo"


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server of a Pod."""

    server: Server
    protocol: str
    port: int


def servers_of(pod: dict[str, Any]) -> tuple[ServerPlan, ...]:
    """Return what the Pod's containers serve; a port without protocol is TCP."""
    plans = []
    for container in pod.get("spec", {}).get("containers") or ():
        server = server_of_image(container.get("image") or "")
        for port in container.get("ports") or ():
            number = int(port["containerPort"])
            plans.append(ServerPlan(server, port.get("protocol") or "TCP", number))
    return tuple(dict.fromkeys(plans))


def server_of_image(image: str) -> Server:
    """Return the server that stands for an image."""
    return Server.ECHO if repository(image) == "echo" else Server.WEB


def repository(image: str) -> str:
    """Return the last part of an image's name, without tag or digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def quits_at_once(pod: dict[str, Any]) -> bool:
    """Whether the Pod ends on SIGTERM, as nginx does, rather than at the end of its grace."""
    images = [c.get("image") or "" for c in pod.get("spec", {}).get("containers") or ()]
    return all(server_of_image(image) is Server.WEB for image in images)
