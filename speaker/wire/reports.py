"""What has been said about each NIC, so that its end can be told too. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from speaker.l2.cause import Cause
from speaker.l2.links import Link
from speaker.seam.messages import (
    GONE,
    NOT_WANTED,
    Address,
    AddressForgotten,
    ConflictReport,
    InterfaceForgotten,
    InterfaceReport,
    Message,
    NeighbourForgotten,
    NeighbourReport,
    OwnerReport,
)

Key = tuple[str, type[object], Address | str]

GONE_SHOWN = 16
"""NICs reported as gone; when more went, who went first is forgotten: some names never return."""


def interface_report(link: Link, *, wanted: bool) -> InterfaceReport:
    """Return whether a NIC takes part, and if not, why."""
    unusable = link.unusable
    reason = unusable.value if unusable else "" if wanted else NOT_WANTED
    return InterfaceReport(link.name, not reason, reason, tuple(map(str, link.addresses)))


@dataclass(slots=True)
class Said:
    """The reports in force that one NIC's end makes void."""

    _held: dict[Key, Message] = field(default_factory=dict)
    _nics: set[str] = field(default_factory=set)
    "Reported, and not as gone."
    _gone: dict[str, None] = field(default_factory=dict)
    "Reported as gone, in the order of their going."

    def hear(self, message: Message) -> None:
        """Take in what a NIC's core has said."""
        if isinstance(message, AddressForgotten):
            self._held.pop((message.interface, OwnerReport, message.address), None)
        elif isinstance(message, OwnerReport | ConflictReport):
            self._held[message.interface, type(message), message.address] = message
        elif isinstance(message, NeighbourReport):
            self._held[message.interface, NeighbourReport, message.node] = message
        elif isinstance(message, NeighbourForgotten):
            self._held.pop((message.interface, NeighbourReport, message.node), None)
        elif isinstance(message, InterfaceReport):
            self._nics.add(message.interface)
            self._gone.pop(message.interface, None)

    def vanished(self, there: Collection[str]) -> list[str]:
        """Return the NICs whose end has not been told, given all that there are."""
        return sorted(self._nics.difference(there))

    def end(self, interface: str) -> list[Message]:
        """Return what is to be said when the NIC is gone or takes no part any more."""
        keys = [key for key in self._held if key[0] == interface]
        ended = [each for key in keys for each in _ended(self._held.pop(key))]
        self._nics.discard(interface)
        self._gone[interface] = None
        gone = InterfaceReport(interface, usable=False, reason=GONE)
        return [*ended, gone, *self._forgotten()]

    def _forgotten(self) -> list[Message]:
        if len(self._gone) <= GONE_SHOWN:
            return []
        first = next(iter(self._gone))
        del self._gone[first]
        return [InterfaceForgotten(first)]


def _ended(message: Message) -> list[Message]:
    if isinstance(message, OwnerReport):
        return [AddressForgotten(message.address, message.interface, Cause.LINK_DOWN.value)]
    if isinstance(message, NeighbourReport):
        silent = replace(message, alive=False, two_way=False)
        return [silent, NeighbourForgotten(message.node, message.interface)]
    if isinstance(message, ConflictReport):
        return [replace(message, mac=None, proxy=False)]
    return [message]
