"""On which terms Services may have one address together, and what forbids it.

The rules of `kube.sharing`, and deliberately narrower: Services of different namespaces need each
other's consent, because a key is no secret and whoever guesses it would sit on a foreign address.
Consent is the annotation `herald.io/share-with-namespaces`: a list of namespaces, or `*`, on both
Services. What already shares (MetalLB allowed it) is kept.
"""

from dataclasses import dataclass

from controller.outcome import Reason
from kube.objects import Service
from kube.sharing import sharing_backend, sharing_key, sharing_ports

SHARE_WITH_NAMESPACES = "herald.io/share-with-namespaces"
EVERY_NAMESPACE = "*"


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a Service shares its addresses; without a key it shares with nobody."""

    key: str = ""
    backend: str = ""
    "Selector when only local endpoints count, else empty."
    ports: frozenset[tuple[str, int]] = frozenset()
    namespace: str = ""
    allows: frozenset[str] = frozenset()
    "Other namespaces whose Services may join."

    def allows_namespace(self, other: "Terms") -> bool:
        """Tell whether this side consents to the other's namespace."""
        return bool(self.allows) and (
            other.namespace in self.allows or EVERY_NAMESPACE in self.allows
        )


def terms_of(service: Service) -> Terms:
    """Return the Service's terms."""
    allows = service.annotations.get(SHARE_WITH_NAMESPACES, "")
    return Terms(
        key=sharing_key(service),
        backend=sharing_backend(service),
        ports=sharing_ports(service),
        namespace=service.name.namespace,
        allows=frozenset(text.strip() for text in allows.split(",")) - {""}
        if allows
        else frozenset(),
    )


def clash(mine: Terms, theirs: Terms) -> Reason | None:
    """Return what forbids two Services to have one address together, or None."""
    if not mine.key or mine.key != theirs.key:
        return Reason.SHARING_KEY_DIFFERS if mine.key and theirs.key else Reason.ADDRESS_TAKEN
    if mine.backend != theirs.backend:
        return Reason.BACKENDS_DIFFER
    if mine.ports & theirs.ports:
        return Reason.PORTS_CLASH
    return None


def strangers(mine: Terms, theirs: Terms) -> bool:
    """Tell whether two Services lack the consent that their different namespaces need."""
    if mine.namespace == theirs.namespace:
        return False
    return not (mine.allows_namespace(theirs) and theirs.allows_namespace(mine))
