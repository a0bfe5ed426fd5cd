"""Checks that several kinds share, and the list in which faults are collected."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kube.crds import ResourceT
from kube.faults import Fault, Reason
from kube.objects import ObjectName
from kube.selectors import LabelSelector, Operator
from kube.snapshot import Kind


@dataclass(slots=True)
class Findings:
    """Faults of the objects of one kind, in the order of their finding."""

    kind: Kind
    faults: list[Fault] = field(default_factory=list)

    def refuse(self, name: ObjectName, path: str, text: str, reason: Reason) -> None:
        """Record that the object cannot be used as it is."""
        self.faults.append(Fault(self.kind, name, path, text, reason))

    def advise(self, name: ObjectName, path: str, text: str, reason: Reason) -> None:
        """Record something wrong that doesn't stop the object."""
        self.faults.append(Fault(self.kind, name, path, text, reason, refused=False))

    def refused(self, name: ObjectName) -> bool:
        """Tell whether the object has been refused."""
        return any(fault.refused and fault.name == name for fault in self.faults)


def by_age(objects: Iterable[ResourceT]) -> list[ResourceT]:
    """Return the objects oldest first, equals by name: of two in conflict the first one counts."""
    return sorted(objects, key=lambda each: (each.metadata.creation_timestamp or "", each.name))


def check_duplicates(findings: Findings, name: ObjectName, path: str, texts: Sequence[str]) -> None:
    """Refuse a list that names something twice."""
    for text in sorted(text for text, count in Counter(texts).items() if count > 1):
        findings.refuse(
            name, path, f'duplicate definition of "{text}": name it once', Reason.DUPLICATE
        )


def check_selectors(
    findings: Findings, name: ObjectName, lists: Mapping[str, Sequence[LabelSelector]]
) -> None:
    """Refuse selectors that cannot be meant: doubles, and operators with the wrong values."""
    for path, selectors in lists.items():
        text = next(filter(None, map(_wrong, selectors)), "")
        if text:
            findings.refuse(name, path, text, Reason.BAD_SELECTOR)
        canonical = [_canonical(each) for each in selectors]
        if len(set(canonical)) < len(canonical):
            findings.refuse(
                name, path, "duplicate label selector: keep one of them", Reason.DUPLICATE
            )


def _wrong(selector: LabelSelector) -> str:
    seen = set()
    for each in selector.match_expressions:
        if len(set(each.values)) < len(each.values):
            return f'duplicate values in matchExpressions for "{each.key}": name each once'
        needs = each.operator in {Operator.IN, Operator.NOT_IN}
        if needs != bool(each.values):
            rule = "needs values" if needs else "takes no values"
            return f'invalid label selector: {each.operator.value} of "{each.key}" {rule}'
        expression = (each.key, each.operator, tuple(sorted(each.values)))
        if expression in seen:
            return f'duplicate matchExpressions for "{each.key}": keep one of them'
        seen.add(expression)
    return ""


def _canonical(selector: LabelSelector) -> tuple[object, ...]:
    expressions = {
        (each.key, each.operator.value, tuple(sorted(each.values)))
        for each in selector.match_expressions
    }
    return tuple(sorted(selector.match_labels.items())), tuple(sorted(expressions))
