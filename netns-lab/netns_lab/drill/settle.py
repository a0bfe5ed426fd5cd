"""Waiting for a condition of the lab, bounded, with the last answer in the complaint."""

import time
from collections.abc import Callable
from typing import TypeVar

from netns_lab.orders import LabError

Result = TypeVar("Result")

POLL_S = 0.05


class NotSettledError(LabError):
    """The lab did not come to the state that a run starts from, or ends in."""


class LateError(LabError):
    """The machine stood still for so long that the figures tell of it, not of Herald."""


def until(what: str, ask: Callable[[], Result | None], limit_s: float) -> Result:
    """Return the first answer that is neither None nor False; raise NotSettledError after it."""
    limit = time.monotonic() + limit_s
    complaint = ""
    while True:
        try:
            answer = ask()
        except LabError as error:
            answer, complaint = None, f": {error}"
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > limit:
            raise NotSettledError(f"{what}: not within {limit_s:g} s{complaint}")
        time.sleep(POLL_S)
