"""What a pass has said of each Service, and which of it is news.

A Service may be spoken of several times in one pass: cleared, then served, then found lacking. What
counts is how the last word differs from the one before the pass.
"""

from collections.abc import Mapping

from controller.outcome import Cause, Change, Outcome
from kube.objects import Address, ObjectName


class Bulletin:
    """Outcomes by Service, and the changes of the pass under way."""

    def __init__(self) -> None:
        self._outcomes: dict[ObjectName, Outcome] = {}
        self._news: dict[ObjectName, Change] = {}
        self._known: dict[ObjectName, Outcome | None] = {}

    @property
    def outcomes(self) -> Mapping[ObjectName, Outcome]:
        """The last word on every Service."""
        return self._outcomes

    def begin(self) -> None:
        """Begin a pass."""
        self._news, self._known = {}, {}

    def say(
        self,
        name: ObjectName,
        outcome: Outcome,
        before: tuple[Address, ...] = (),
        cause: Cause | None = None,
        detail: str = "",
    ) -> None:
        """Take the word on a Service; `before` and what follows tell of a move."""
        self._known.setdefault(name, self._outcomes.get(name))
        self._outcomes[name] = outcome
        earlier = self._news.get(name)
        if earlier is not None and earlier.cause is not None:
            # Cleared and given again in the same pass: one move, for the first cause.
            before, cause, detail = earlier.before, earlier.cause, earlier.detail
        self._news[name] = Change(name, outcome, before, cause, detail)

    def forget(self, name: ObjectName) -> None:
        """Drop a Service that is gone."""
        self._outcomes.pop(name, None)
        self._news.pop(name, None)

    def changes(self) -> tuple[Change, ...]:
        """Return what the pass changed."""
        return tuple(
            change
            for name, change in self._news.items()
            if change.outcome != self._known[name] or change.cause is not None
        )
