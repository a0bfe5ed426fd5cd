"""The receiver's copy of what the other process holds, whole.

A sender's lines between `Begin` and `End` are collected aside: until `End` the receiver goes on
with what it had. Then the difference comes into force at once, as a list of messages: the new and
changed ones, and for each key that is gone the message that removes it. A connection that ends
before `End` leaves everything as it was, and so does a sender that cannot speak about something
yet, because its own source is missing: `Begin.unknown` names it.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar, cast

from speaker.seam.messages import (
    AddressForgotten,
    AddressIntent,
    AddressRemoved,
    Begin,
    BfdForgotten,
    BfdIntent,
    BfdRemoved,
    BfdReport,
    BgpFault,
    ConflictReport,
    Counters,
    CountersWanted,
    Drain,
    End,
    Expected,
    Freshness,
    Identity,
    InterfaceForgotten,
    InterfaceReport,
    Message,
    NeighbourForgotten,
    NeighbourReport,
    OwnerReport,
    PeerIntent,
    PeerRemoved,
    RouteIntent,
    RouteRemoved,
    SessionForgotten,
    SessionReport,
    Withdrawn,
)

Key = tuple[type[Any], Hashable]
MessageT = TypeVar("MessageT")

KEYS: Mapping[type[Any], Callable[[Any], Hashable]] = MappingProxyType(
    {
        Identity: lambda _: None,
        Expected: lambda _: None,
        Drain: lambda _: None,
        AddressIntent: lambda m: m.address,
        BfdIntent: lambda m: m.peer,
        PeerIntent: lambda m: m.name,
        RouteIntent: lambda m: m.prefix,
        OwnerReport: lambda m: (m.address, m.interface),
        NeighbourReport: lambda m: (m.node, m.interface),
        ConflictReport: lambda m: (m.address, m.interface),
        InterfaceReport: lambda m: m.interface,
        BfdReport: lambda m: m.peer,
        SessionReport: lambda m: m.peer,
        BgpFault: lambda m: m.peer,
    }
)
"""What is held, and by which key."""

REMOVALS: Mapping[type[Any], Callable[[Any], tuple[Key, ...]]] = MappingProxyType(
    {
        AddressRemoved: lambda m: ((AddressIntent, m.address),),
        BfdRemoved: lambda m: ((BfdIntent, m.peer),),
        PeerRemoved: lambda m: ((PeerIntent, m.name),),
        RouteRemoved: lambda m: ((RouteIntent, m.prefix),),
        AddressForgotten: lambda m: ((OwnerReport, (m.address, m.interface)),),
        NeighbourForgotten: lambda m: ((NeighbourReport, (m.node, m.interface)),),
        InterfaceForgotten: lambda m: ((InterfaceReport, m.interface),),
        BfdForgotten: lambda m: ((BfdReport, m.peer),),
        SessionForgotten: lambda m: ((SessionReport, m.peer), (BgpFault, m.peer)),
    }
)
"""What each removal takes out of the copy."""

GONE: Mapping[type[Any], Callable[[Any], Message]] = MappingProxyType(
    {
        AddressIntent: lambda m: AddressRemoved(m.address),
        BfdIntent: lambda m: BfdRemoved(m.peer),
        PeerIntent: lambda m: PeerRemoved(m.name),
        RouteIntent: lambda m: RouteRemoved(m.prefix),
        OwnerReport: lambda m: AddressForgotten(m.address, m.interface),
        BfdReport: lambda m: BfdForgotten(m.peer),
        SessionReport: lambda m: SessionForgotten(m.peer),
    }
)
"""What tells that a held message is gone; the other kinds just vanish from the copy."""

PASSING = (Freshness, CountersWanted, Counters, Withdrawn)
"""Said once and not held: they are in force as they come, also between `Begin` and `End`."""


class SyncFault(Enum):
    """What is wrong with the order of a sender's lines."""

    OUT_OF_STEP = "out-of-step"
    "`End` of an epoch that was not begun."
    BEFORE_BEGIN = "before-begin"
    "A message on a connection that has not begun."


@dataclass(slots=True)
class Mirror:
    """What one sender holds; `complete` once a whole intent has come into force."""

    held: dict[Key, Message] = field(default_factory=dict)
    complete: bool = False
    _epoch: str | None = None
    _aside: dict[Key, Message] = field(default_factory=dict)
    _changed: dict[Key, Message] = field(default_factory=dict)
    "Those of `_aside` that differ from what is held: found line by line, to keep `End` short."

    def receive(self, message: Message) -> "tuple[Message, ...] | SyncFault":
        """Return what comes into force by this message, in order."""
        if isinstance(message, Begin):
            self._epoch, self._changed = message.epoch, {}
            self._aside = {k: m for k, m in self.held.items() if k[0].__name__ in message.unknown}
            return ()
        if isinstance(message, End):
            return self._end(message)
        if isinstance(message, PASSING):
            return (message,)
        if self._epoch is not None:
            self._put_aside(message)
            return ()
        return (message,) if _apply(self.held, message) else ()

    def lose_connection(self) -> None:
        """Drop what was not ended; what was in force stays."""
        self._epoch, self._aside, self._changed = None, {}, {}

    def in_force(self, change: Message) -> bool:
        """Tell whether what `receive` gave is still so: a long list of changes takes its time."""
        removal = REMOVALS.get(type(change))
        if removal is not None:
            return self.held.keys().isdisjoint(removal(change))
        key = key_of(change)
        return key is None or self.held.get(key) == change

    def of(self, kind: type[MessageT]) -> Iterator[MessageT]:
        """Iterate over the held messages of one type."""
        return (cast(MessageT, m) for (of, _), m in self.held.items() if of is kind)

    def get(self, kind: type[MessageT], key: Hashable) -> MessageT | None:
        """Return the held message of this type and key."""
        return cast("MessageT | None", self.held.get((kind, key)))

    def _end(self, end: End) -> "tuple[Message, ...] | SyncFault":
        if self._epoch is None or self._epoch != end.epoch:
            return SyncFault.OUT_OF_STEP
        gone = _gone(self.held, self._aside)
        changed = self._changed.values()
        self.held, self.complete = self._aside, True
        self.lose_connection()
        return (*gone, *changed, end)

    def _put_aside(self, message: Message) -> None:
        _apply(self._aside, message)
        removal = REMOVALS.get(type(message))
        if removal is not None:
            for gone in removal(message):
                self._changed.pop(gone, None)
        key = key_of(message)
        if key is None:
            return
        if self.held.get(key) == message:
            self._changed.pop(key, None)
        else:
            self._changed[key] = message


def key_of(message: Message) -> Key | None:
    """Return the key under which a message is held; None when it isn't."""
    find = KEYS.get(type(message))
    return None if find is None else (type(message), find(message))


def _gone(before: Mapping[Key, Message], after: Mapping[Key, Message]) -> list[Message]:
    return [
        GONE[key[0]](message)
        for key, message in before.items()
        if key not in after and key[0] in GONE
    ]


def _apply(held: dict[Key, Message], message: Message) -> bool:
    """Change `held`; tell whether anything is different now."""
    removal = REMOVALS.get(type(message))
    if removal is not None:
        before = len(held)
        for gone in removal(message):
            held.pop(gone, None)
        return len(held) < before
    key = key_of(message)
    if key is None or held.get(key) == message:
        return False
    held[key] = message
    return True
