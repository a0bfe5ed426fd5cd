"""What is wrong with the pools and with writing, as the controller's ConfigurationState shows it.

As in MetalLB the object is named `controller` and has one condition, `poolReconcilerValid`; unlike
there it is written only when what it says changes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from controller.news import EventReason, News
from controller.patches import MAX_MESSAGE
from kube.api import ApiError
from kube.faults import Fault
from kube.objects import Json, ObjectName
from kube.snapshot import Kind
from kube.verdicts import COMPONENT_LABEL, Verdict, lines_of

STATE_NAME = "controller"
REFUSALS = frozenset({400, 401, 403, 413})
"""Of the role or a policy: the same write would be refused again. 422 is about the address."""
REFUSED = "the API server refuses to store the status"
MAX_TOLD = 5
"""Events of one pool: it may have thousands of ranges, and the same mistake in each."""
NONE: Mapping[ObjectName, str] = MappingProxyType({})


def verdict_of(faults: Iterable[Fault], refusals: Mapping[ObjectName, str] = NONE) -> Verdict:
    """Return the verdict on the pools, and on the writes of Services; advice is no fault."""
    lines = lines_of(f for f in faults if f.kind is Kind.IP_ADDRESS_POOL)
    return Verdict((*lines, *_refused(refusals)))


def refusal_words(error: Exception) -> str:
    """Return what a server says that will not have a write, nothing for other failures."""
    refused = isinstance(error, ApiError) and error.status in REFUSALS
    return str(error) if refused else ""


def refusal_in(summary: str) -> str:
    """Return what a verdict's summary says of writes that the API server refuses, or nothing."""
    return next((line for line in summary.split("\n") if line.startswith(REFUSED)), "")


def _refused(refusals: Mapping[ObjectName, str]) -> Iterator[str]:
    """Yield one line: a missing role refuses thousands, for one reason."""
    if refusals:
        first = min(refusals)
        more = ", and of others" if len(refusals) > 1 else ""
        yield f"{REFUSED} of Service {first}{more}: {refusals[first]}"


def news_of_faults(
    faults: Iterable[Fault], uids: dict[ObjectName, str], known: str
) -> tuple[News, ...]:
    """Return an Event for each fault that the summary shown so far does not have, a few a pool."""
    said = set(known.split("\n"))
    told: Counter[ObjectName] = Counter()
    news = []
    for fault in faults:
        if not fault.refused or fault.kind is not Kind.IP_ADDRESS_POOL or str(fault) in said:
            continue
        told[fault.name] += 1
        if told[fault.name] <= MAX_TOLD:
            news.append(_event(fault, uids.get(fault.name, "")))
    return tuple(news)


def _event(fault: Fault, uid: str) -> News:
    return News(
        fault.name,
        uid,
        EventReason.CONFIGURATION_ERROR,
        f"{fault.field}: {fault.text}"[:MAX_MESSAGE],
        warning=True,
        kind="IPAddressPool",
        api_version="metallb.io/v1beta1",
    )


def state_object(namespace: str) -> Json:
    """Return the ConfigurationState to create, its status still empty."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "ConfigurationState",
        "metadata": {
            "name": STATE_NAME,
            "namespace": namespace,
            "labels": {COMPONENT_LABEL: "controller"},
        },
    }
