"""Tests of a whole lab that are run again when the machine starved one of its wires.

What an address's owner is said to be holds only while its wire has time: see `attempts`.
"""

import base64
import contextlib
import functools
import inspect
from collections.abc import Callable

from netns_lab.lab import Lab
from speaker.seam.messages import HelloKey, Identity
from tests.lab.attempts import ATTEMPTS, PROPERTY
from tests.lab.lateness import LATE_MS, HelloWatch, latest_ms

SECRET = "/api/v1/namespaces/metallb-system/secrets/herald-hello"


def hello_watch(lab: Lab) -> HelloWatch:
    """Return an ear for the hellos on the lab's LAN."""
    cluster = lab.request("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    keys = tuple(
        HelloKey(int(name.removeprefix("key-")), base64.b64decode(text).hex())
        for name, text in lab.request("GET", SECRET)["data"].items()
    )
    return HelloWatch(lab.plan.host("watcher").namespace, Identity("watcher", cluster, keys))


def once_more_when_wires_starved(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test again that failed while a wire was late; the last run counts."""

    @functools.wraps(test)
    def run(
        *, lab: Lab, record_property: Callable[[str, object], None], **arguments: object
    ) -> None:
        for _ in range(1, ATTEMPTS):
            with contextlib.closing(hello_watch(lab)) as hellos:
                try:
                    return test(lab=lab, **arguments)
                except AssertionError as error:
                    late_ms = latest_ms(hellos.heard())
                    if late_ms <= LATE_MS:
                        raise
                    record_property(PROPERTY, f"a wire had no time for {late_ms:.0f} ms: {error}")
        return test(lab=lab, **arguments)

    own = inspect.signature(test)
    added = inspect.Parameter("record_property", inspect.Parameter.KEYWORD_ONLY)
    parameters = [*own.parameters.values(), added]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # pytest's
    return run
