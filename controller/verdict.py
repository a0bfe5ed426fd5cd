"""What is wrong with the pools, as the controller's ConfigurationState shows it.

As in MetalLB the object is named `controller` and has one condition, `poolReconcilerValid`; unlike
there it is written only when what it says changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.news import EventReason, News
from controller.patches import MAX_MESSAGE
from kube.faults import Fault
from kube.objects import Json, ObjectName
from kube.snapshot import Kind

STATE_NAME = "controller"
COMPONENT_LABEL = "metallb.io/component-type"
CONDITION = "poolReconcilerValid"
MAX_SUMMARY = 8192
"""Of an object that thousands of faults must not make too large for etcd."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The faults that refuse something, one line each, sorted."""

    lines: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The lines as one text, cut to a bearable length."""
        return "\n".join(self.lines)[:MAX_SUMMARY]

    def status(self, when: str) -> Json:
        """Return `ConfigurationState.status`; `when` is RFC 3339."""
        wrong = bool(self.lines)
        return {
            "result": "Invalid" if wrong else "Valid",
            "errorSummary": self.summary,
            "conditions": [
                {
                    "type": CONDITION,
                    "status": "False" if wrong else "True",
                    "reason": "ConfigurationError" if wrong else "Reconciled",
                    "message": self.summary,
                    "lastTransitionTime": when,
                }
            ],
        }

    def shown_by(self, status: Json) -> bool:
        """Tell whether the status says the same already."""
        result = "Invalid" if self.lines else "Valid"
        return status.get("result") == result and (
            (status.get("errorSummary") or "") == self.summary
        )


def verdict_of(faults: Iterable[Fault]) -> Verdict:
    """Return the verdict on the pools; advice is no fault."""
    return Verdict(
        tuple(
            sorted(
                str(fault)
                for fault in faults
                if fault.refused and fault.kind is Kind.IP_ADDRESS_POOL
            )
        )
    )


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
