"""Which writes make a status object what it should be: none where it is so already."""

from enum import Enum

from kube.objects import Json, ObjectName
from kube.written import Written, canonical
from speaker.brain.statuses.wanted import Owner, Wanted

FIXED = ("node", "serviceName", "serviceNamespace")
"Fields that the API server lets nobody change."


class Step(Enum):
    """One write."""

    CREATE = "create"
    LABEL = "label"
    SAY = "say"
    DELETE = "delete"


def steps(wanted: Wanted | None, found: Written | None, owner: Owner | None) -> tuple[Step, ...]:
    """Return what to write, in order; an owner that is not known is left as it is."""
    if wanted is None:
        return (Step.DELETE,) if found is not None else ()
    if found is None:
        return (Step.CREATE, Step.SAY)
    status = found.status
    if any(status.get(key, wanted.status[key]) != wanted.status[key] for key in FIXED):
        return (Step.DELETE, Step.CREATE, Step.SAY)
    label = (Step.LABEL,) if _mislabelled(wanted, found, owner) else ()
    return label if found.said == canonical(wanted.status) else (*label, Step.SAY)


def state_steps(
    wanted: Wanted, found: Written | None, owner: Owner | None, *, shown: bool
) -> tuple[Step, ...]:
    """Return what to write for a ConfigurationState, which says the right thing if `shown`."""
    if found is None:
        return (Step.CREATE, Step.SAY)
    label = (Step.LABEL,) if _mislabelled(wanted, found, owner) else ()
    return label if shown else (*label, Step.SAY)


def service_of(written: Written) -> ObjectName | None:
    """Return the Service that an object is about; None when it does not say."""
    status = written.status
    namespace, name = status.get("serviceNamespace"), status.get("serviceName")
    if isinstance(namespace, str) and isinstance(name, str) and name:
        return ObjectName(namespace, name)
    return None


def metadata(wanted: Wanted, owner: Owner | None) -> Json:
    """Return the labels, and the owner where it is known."""
    labels: Json = {"labels": dict(wanted.labels)}
    return labels if owner is None else labels | {"ownerReferences": [owner.reference]}


def _mislabelled(wanted: Wanted, found: Written, owner: Owner | None) -> bool:
    if owner is not None and found.owners != {owner.uid}:
        return True
    return any(found.labels.get(key) != value for key, value in wanted.labels.items())
