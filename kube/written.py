"""Objects that Herald itself writes, read back so that each is written only when it differs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kube.objects import EMPTY, Json, ObjectError, ObjectName, parse_name


def _empty() -> Mapping[str, str]:
    # Python 3.11 refuses an unhashable mapping proxy as a plain default.
    return EMPTY


@dataclass(frozen=True, slots=True)
class Written:
    """A ServiceL2Status, ServiceBGPStatus, ConfigurationState or the status of a pool."""

    name: ObjectName
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=_empty)
    owners: frozenset[str] = frozenset()
    "UIDs of the objects with which it goes."
    said: str = "{}"
    "The status as canonical JSON, which takes a third of the memory of the dicts."

    @property
    def status(self) -> Json:
        """What the status says."""
        status: Json = json.loads(self.said)
        return status


def parse_written(obj: Json) -> Written:
    """Return what matters of the object."""
    name = parse_name(obj)
    meta = obj.get("metadata") or {}
    try:
        return Written(
            name,
            meta.get("uid") or "",
            MappingProxyType(dict(meta.get("labels") or {})),
            frozenset(str(each["uid"]) for each in meta.get("ownerReferences") or ()),
            canonical(obj.get("status") or {}),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ObjectError(f"{name}: {error}") from error


def canonical(status: Json) -> str:
    """Return one and the same text for equal statuses."""
    return json.dumps(status, sort_keys=True, separators=(",", ":"))
