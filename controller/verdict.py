"""What is wrong with the pools, as the controller's ConfigurationState shows it.

As in MetalLB the object is named `controller` and has one condition, `poolReconcilerValid`; unlike
there it is written only when what it says changes.
"""

from collections.abc import Iterable

from controller.news import EventReason, News
from controller.patches import MAX_MESSAGE
from kube.faults import Fault
from kube.objects import Json, ObjectName
from kube.snapshot import Kind
from kube.verdicts import COMPONENT_LABEL, Verdict, lines_of

STATE_NAME = "controller"


def verdict_of(faults: Iterable[Fault]) -> Verdict:
    """Return the verdict on the pools; advice is no fault."""
    return Verdict(lines_of(f for f in faults if f.kind is Kind.IP_ADDRESS_POOL))


def news_of_faults(
    faults: Iterable[Fault], uids: dict[ObjectName, str], known: str
) -> tuple[News, ...]:
    """Return an Event for each fault that the summary shown so far does not have."""
    said = set(known.split("\n"))
    return tuple(
        News(
            fault.name,
            uids.get(fault.name, ""),
            EventReason.CONFIGURATION_ERROR,
            f"{fault.field}: {fault.text}"[:MAX_MESSAGE],
            warning=True,
            kind="IPAddressPool",
            api_version="metallb.io/v1beta1",
        )
        for fault in faults
        if fault.refused and fault.kind is Kind.IP_ADDRESS_POOL and str(fault) not in said
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
