"""Which objects are good: every check that needs more than one field or object.

`usable` is the one entry. One bad object never stops the good ones: it is refused with a fault
and, where it was good before, its last good version stays in use.
"""

from kube.configuration import Configuration
from kube.faults import Fault
from kube.snapshot import Snapshot


def usable(
    snapshot: Snapshot, previous: Configuration | None = None
) -> tuple[Configuration, tuple[Fault, ...]]:
    """Return the configuration of all good objects, and what is wrong with the others."""
    raise NotImplementedError
