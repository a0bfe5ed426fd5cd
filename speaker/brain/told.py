"""What another process of this speaker must know, and what of it has changed."""

from collections.abc import Iterable
from typing import TypeVar, cast

from speaker.seam.messages import Message
from speaker.seam.mirror import GONE, Key, key_of

MessageT = TypeVar("MessageT")


class Told:
    """The messages that hold now, by key; what is set twice is said once."""

    def __init__(self) -> None:
        self._held: dict[Key, Message] = {}

    def set(self, message: Message) -> list[Message]:
        """Hold the message; return what to send for it."""
        key = key_of(message)
        assert key is not None, f"{type(message).__name__} is not held"
        if self._held.get(key) == message:
            return []
        self._held[key] = message
        return [message]

    def drop(self, key: Key) -> list[Message]:
        """Hold nothing under the key; return what to send for it."""
        message = self._held.pop(key, None)
        return [] if message is None else [GONE[key[0]](message)]

    def replace_all(self, kind: type, messages: Iterable[Message]) -> list[Message]:
        """Hold exactly these messages of one type; return what to send for it."""
        wanted = {key: message for message in messages if (key := key_of(message)) is not None}
        gone = [key for key in self._held if key[0] is kind and key not in wanted]
        sent = [each for key in gone for each in self.drop(key)]
        return sent + [each for message in wanted.values() for each in self.set(message)]

    def of(self, kind: type[MessageT]) -> list[MessageT]:
        """Return the messages of one type that hold."""
        return [cast(MessageT, m) for (of, _), m in self._held.items() if of is kind]

    def whole(self) -> list[Message]:
        """Return everything that holds: who we are first, then the rest as it came."""
        return sorted(self._held.values(), key=lambda each: _ORDER.get(type(each).__name__, 9))


_ORDER = {"Identity": 0, "Expected": 1, "Drain": 2, "PeerIntent": 3, "BfdIntent": 3}
