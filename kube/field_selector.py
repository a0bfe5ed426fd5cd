"""A field selector that the API server may not know: who picks out what is wanted, it or we.

Which fields can be selected by is the server's to know: that of a Service's type came with 1.31,
and an older server answers 400 to it. Then everything is asked for and picked out here. Each list
tries the selector again, since servers are upgraded.
"""

from kube.objects import Json

UNKNOWN_FIELD = 400


class FieldSelector:
    """A selector `path=value`, or none when empty."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._path = tuple(text.partition("=")[0].split("."))
        self._value = text.partition("=")[2]
        self._refused = False

    @property
    def asked(self) -> str:
        """What to ask the server for."""
        return "" if self._refused else self._text

    def try_again(self) -> None:
        """Ask for the selection, whatever the server answered before."""
        self._refused = False

    def refused(self, status: int) -> bool:
        """Take note of a refusal; tell whether asking for everything may be answered."""
        if status != UNKNOWN_FIELD or not self.asked:
            return False
        self._refused = True
        return True

    def wants(self, obj: Json) -> bool:
        """Tell whether the object is selected, where the server didn't see to that."""
        if not self._refused:
            return True
        value: object = obj
        for key in self._path:
            value = value.get(key) if isinstance(value, dict) else None
        return value == self._value
