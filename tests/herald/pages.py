"""Status pages as real brains make them, from a few objects and what wire and bgp would report."""

import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from kube.configuration import Configuration
from kube.validation import usable
from speaker.brain.contacts import Contacts
from speaker.brain.moves import Moves
from speaker.brain.state import State
from speaker.brain.status import Reports, status
from speaker.policy.deciding import Deciding
from speaker.policy.health import Health
from speaker.policy.view import Self
from speaker.seam.messages import (
    Begin,
    End,
    InterfaceReport,
    Message,
    OwnerReport,
    OwnerState,
)
from speaker.seam.mirror import Mirror
from tests.speaker.policy.clusters import VIP, snapshot

ADDRESS = ip_address(VIP)
NICS = (
    InterfaceReport("lan0", True, "", ("192.168.4.101/24",)),
    InterfaceReport("pods0", True, "", ("10.244.1.1/30",)),
)


def owner(state: str, node: str = "", cause: str = "took-vacant", nic: str = "lan0") -> OwnerReport:
    return OwnerReport(ADDRESS, nic, OwnerState(state), node, cause)


def mirror(messages: Iterable[Message]) -> Mirror:
    made = Mirror()
    for message in (Begin("1"), *messages, End("1")):
        made.receive(message)
    return made


def page(
    node: str,
    objects: Iterable[Any],
    *,
    wire: Iterable[Message] = (),
    bgp: Iterable[Message] = (),
    moves: Moves | None = None,
    contacts: Contacts | None = None,
    now: float = 100.0,
    age_s: float = 0.0,
    counted: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    silent_s: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the page of a node, through JSON as the command gets it."""
    made = snapshot(*objects)
    configuration, faults = usable(made, Configuration())
    deciding = Deciding(Self(node))
    deciding.update(made, configuration, made.services)
    deciding.step(None, lambda: True)
    state = State(deciding, Health(0.0), configuration=configuration, faults=faults)
    reports = Reports(
        api_age_s=age_s,
        stale=False,
        restored=(),
        connected={"wire": True, "bgp": True},
        wire=mirror((*NICS, *wire)),
        bgp=mirror(bgp),
        moves=moves or Moves(node),
        contacts=contacts or Contacts(),
        counted=counted,
        silent_s=silent_s,
    )
    shown: dict[str, Any] = json.loads(json.dumps(status(state, reports, now)))
    return shown
