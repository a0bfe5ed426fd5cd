"""What follows from a write that was not done: when the next one goes out, and who is told."""

from dataclasses import dataclass

from controller import whynot
from controller.delta import Delta, Write
from controller.news import News, news_of_rejection
from controller.restraint import Restraint
from controller.verdict import refusal_words
from kube.api import ApiError


@dataclass(frozen=True, slots=True)
class Failure:
    """What is left to do after a write that was not done."""

    news: tuple[News, ...] = ()
    doubtful: bool = True
    "Nobody knows what is there now: it must be read."


def note_failure(
    delta: Delta, restraint: Restraint, write: Write, error: Exception, now: float
) -> Failure:
    """Take note of the failure where it counts."""
    if isinstance(error, ApiError) and error.forbidden:
        restraint.refused(now)
        delta.failed(write, now, refusal_words(error))
        return Failure(doubtful=False)
    if not isinstance(error, ApiError) or not error.invalid:
        delta.failed(write, now, refusal_words(error))
        return Failure()
    service = delta.shown(write.service)
    why = whynot.status_refused(write.service, write.outcome, error.message)
    if not delta.rejected(write, why, now) or service is None:
        return Failure(doubtful=False)
    return Failure((news_of_rejection(service, why),), doubtful=False)
