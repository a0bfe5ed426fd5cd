"""The metrics of a brain that is not running, from what it is given."""

from types import MappingProxyType
from typing import Any

from prometheus_client.core import Metric

from speaker.brain.contacts import Contacts
from speaker.brain.metrics import Tallies, metrics
from speaker.brain.moves import Moves
from speaker.brain.state import State
from speaker.brain.status import Reports
from speaker.policy.deciding import Deciding
from speaker.policy.health import Health
from speaker.policy.view import Self
from speaker.seam.mirror import Mirror

BOTH = MappingProxyType({"wire": True, "bgp": True})


def families(wire: dict[str, float] | None = None, **reports: Any) -> dict[str, Metric]:
    """Return what a brain shows that knows nothing but these counters of wire and reports."""
    own = Self("node1")
    said: dict[str, Any] = {
        "api_age_s": 0.0,
        "stale": False,
        "restored": (),
        "connected": BOTH,
        "wire": Mirror(),
        "bgp": Mirror(),
        "moves": Moves(own.node),
        "contacts": Contacts(),
    }
    tallies = Tallies(
        events={}, requests={}, seam_faults={}, statuses={}, watch_breaks={}, wire=wire or {}
    )
    state = State(Deciding(own), Health(0.0))
    found = metrics(state, Reports(**(said | reports)), tallies, 0.0)
    return {each.name: each for each in found}
