"""Objects one by one into a lab's API, or out of it: one that is refused does not stop the rest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from netns_lab.manifests import Manifest
from netns_lab.seed import HERALD_NAMESPACE

if TYPE_CHECKING:
    from netns_lab.lab import Lab

HERALD_GROUP = "metallb.io/"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object."""

    object: str
    done: str
    "`created`, `configured`, `unchanged`, `deleted`, `not found`, or `refused`."
    message: str = ""
    "Why it was refused, or what its owner should know."

    @property
    def refused(self) -> bool:
        """Whether the object is not as the file wants it."""
        return self.done == "refused"


def apply_each(lab: "Lab", manifests: Iterable[Manifest]) -> Iterator[Outcome]:
    """Apply objects in order; LabError when the API server does not answer."""
    from netns_lab.lab import ApiRefusedError

    for manifest in manifests:
        try:
            (sentence,) = lab.apply([manifest])
        except ApiRefusedError as error:
            yield Outcome(manifest.words, "refused", _why(lab, manifest, error.status, f"{error}"))
        else:
            done = sentence.removeprefix(f"{manifest.words} ")
            yield Outcome(manifest.words, done, _warning(manifest))


def delete_each(lab: "Lab", manifests: Sequence[Manifest]) -> Iterator[Outcome]:
    """Delete objects in reverse order; one that is not there is told, and no fault."""
    from netns_lab.lab import ApiRefusedError

    for manifest in reversed(manifests):
        try:
            gone = list(lab.delete([manifest]))
        except ApiRefusedError as error:
            yield Outcome(manifest.words, "refused", str(error))
        else:
            yield Outcome(manifest.words, "deleted" if gone else "not found")


def _why(lab: "Lab", manifest: Manifest, status: int, message: str) -> str:
    """Return why an object was refused; a path that is not served is a kind that is not there."""
    if status != HTTPStatus.NOT_FOUND or lab.get(manifest.collection) is not None:
        return message
    kind, version = manifest.obj["kind"], manifest.obj["apiVersion"]
    return f"no kind {kind} in {version}: look at both, or install its CustomResourceDefinition"


def _warning(manifest: Manifest) -> str:
    """Return that nobody reads the object, as the admission webhook says it of an update."""
    namespace = manifest.obj["metadata"].get("namespace") or "default"
    if not manifest.obj["apiVersion"].startswith(HERALD_GROUP) or namespace == HERALD_NAMESPACE:
        return ""
    return (
        f"nobody reads this object: only those in {HERALD_NAMESPACE} count, set metadata.namespace"
    )
