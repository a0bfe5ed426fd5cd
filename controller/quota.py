"""How many addresses a namespace may hold: our own extension, set by annotations on the Namespace.

`herald.io/address-quota: "10"` counts both families, `herald.io/address-quota-ipv4` and `-ipv6`
one each. What counts are distinct addresses: Services that share one inside the namespace use up
one. A quota never takes anything away: lowered below what is held, it only refuses more. One that
cannot be read refuses too, since its author meant to limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.outcome import Pending, Reason
from kube.objects import Namespace
from kube.quoting import quoted

QUOTA = "herald.io/address-quota"
QUOTA_KEYS: Mapping[int, str] = {4: f"{QUOTA}-ipv4", 6: f"{QUOTA}-ipv6"}
MAX_DIGITS = 18
"""More than any pool can give; Python refuses to read numbers of thousands of digits."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits by annotation; the key of the total is `QUOTA` itself."""

    namespace: str
    total: int | None = None
    by_version: Mapping[int, int] | None = None

    def refuses(self, held: Mapping[int, int], gained: Mapping[int, int]) -> Pending | None:
        """Return why the namespace, holding so many of each version, may not gain these."""
        for version, limit in (self.by_version or {}).items():
            if gained.get(version, 0) > 0 and held.get(version, 0) + gained[version] > limit:
                return self._reached(QUOTA_KEYS[version], limit, f"IPv{version} addresses")
        gain = sum(gained.values())
        if self.total is not None and gain > 0 and sum(held.values()) + gain > self.total:
            return self._reached(QUOTA, self.total, "addresses")
        return None

    def _reached(self, key: str, limit: int, what: str) -> Pending:
        return Pending(
            Reason.QUOTA_REACHED,
            f"Namespace {self.namespace}",
            f"metadata.annotations[{key}]",
            f"namespace {self.namespace} already holds its quota of {limit} {what}",
            "raise the annotation, or free an address by deleting a Service in the namespace",
        )


def quota_of(namespace: Namespace | None) -> Quota | Pending | None:
    """Return the namespace's quota, None without one, or why it cannot be read."""
    if namespace is None or not namespace.annotations:
        return None
    limits: dict[str, int] = {}
    for key in (QUOTA, *QUOTA_KEYS.values()):
        text = namespace.annotations.get(key)
        if text is None:
            continue
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
            return Pending(
                Reason.QUOTA_MALFORMED,
                f"Namespace {namespace.name}",
                f"metadata.annotations[{key}]",
                f"the quota {quoted(text)} of namespace {namespace.name} is not a number",
                "write a whole number such as 10, or remove the annotation",
            )
        limits[key] = int(text)
    if not limits:
        return None
    by_version = {v: limits[key] for v, key in QUOTA_KEYS.items() if key in limits}
    return Quota(namespace.name, limits.get(QUOTA), by_version)
