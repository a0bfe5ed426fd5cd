"""Label selectors (metav1.LabelSelector): parsed once, matched often."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Operator(Enum):
    """Operators of a label selector requirement."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(BaseModel):
    """One entry of `matchExpressions`."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)
    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels meet this requirement."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values


class LabelSelector(BaseModel):
    """All entries must match; an empty selector matches everything."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)
    match_labels: Annotated[dict[str, str], Field(default_factory=dict)]
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels meet every entry."""
        return all(labels.get(k) == v for k, v in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


def any_matches(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Tell whether one of the selectors matches: lists of selectors are OR-ed in `metallb.io`."""
    return any(selector.matches(labels) for selector in selectors)
