"""A field selector that the API server may not know: who picks out what is wanted, it or we.

Which fields can be selected by is the server's to know: that of a Service's type came with 1.31,
and an older server answers 400 to it. Then everything is asked for and picked out here. Each list
tries the selector again, since servers are upgraded.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from kube.api import ApiError, Page, Reader
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
    def known(self) -> bool:
        """Whether the server knows it, as far as it has said."""
        return not self._refused

    @property
    def asked(self) -> str:
        """What to ask the server for."""
        return "" if self._refused else self._text

    def refused(self, status: int) -> bool:
        """Take note of a refusal; tell whether asking for everything may be answered."""
        if status != UNKNOWN_FIELD or not self.asked:
            return False
        self._refused = True
        return True

    async def pages(
        self, reader: Reader, path: str, label_selector: str = ""
    ) -> AsyncGenerator[Page, None]:
        """Give the pages of a list, with more than the selection where the server can't select."""
        self._refused = False
        try:
            async with aclosing(self._pages(reader, path, label_selector)) as pages:
                async for page in pages:
                    yield page
        except ApiError as error:
            if not self.refused(error.status):
                raise
        else:
            return
        async with aclosing(self._pages(reader, path, label_selector)) as pages:
            async for page in pages:
                yield page

    def _pages(self, reader: Reader, path: str, label_selector: str) -> AsyncGenerator[Page, None]:
        return reader.list_pages(path, label_selector=label_selector, field_selector=self.asked)

    def wants(self, obj: Json) -> bool:
        """Tell whether the object is selected, where the server didn't see to that."""
        if not self._refused:
            return True
        value: object = obj
        for key in self._path:
            value = value.get(key) if isinstance(value, dict) else None
        return value == self._value
