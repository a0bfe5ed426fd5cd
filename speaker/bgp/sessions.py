"""What ExaBGP says of its sessions, and what the brain is told of each peer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from speaker.bgp.commands import Negotiated, Session
from speaker.bgp.config import Neighbour
from speaker.bgp.plan import Plan
from speaker.bgp.reasons import explain, no_answer
from speaker.bgp.routes import Delta
from speaker.seam.messages import BgpFault, Prefix, SessionReport, SessionState

HELD = "BFD: the path has failed, no route is announced until it is up again"


@dataclass(slots=True)
class Sessions:
    """The sessions by selector."""

    up: set[str] = field(default_factory=set)
    agreed: dict[str, frozenset[int]] = field(default_factory=dict)
    "Families of the sessions that are up."
    reasons: dict[str, str] = field(default_factory=dict)
    "Why a session is down, as ExaBGP says it."
    owed_end_of_rib: set[str] = field(default_factory=set)
    "Came up, and have not been told that they have all routes (RFC 4724 4.1)."

    def apply(self, event: Session | Negotiated) -> None:
        """Take an event in."""
        selector = event.selector
        if isinstance(event, Negotiated):
            self.agreed[selector] = event.versions
        elif event.state == "up":
            self.up.add(selector)
            self.owed_end_of_rib.add(selector)
            self.reasons.pop(selector, None)
        elif event.state == "down":
            self._lose(selector)
            self.reasons[selector] = event.reason

    def sync(self, up: Mapping[str, frozenset[int]]) -> None:
        """Heal what a lost event has left wrong; `up` gives the families agreed on."""
        for selector in self.up.difference(up):
            self._lose(selector)
        for selector, versions in up.items():
            if selector not in self.up:
                self.apply(Session(selector, "up"))
            self.agreed[selector] = versions

    def keep(self, selectors: Iterable[str]) -> None:
        """Forget all other neighbours."""
        for selector in {*self.up, *self.agreed, *self.reasons}.difference(selectors):
            self._lose(selector)
            self.reasons.pop(selector, None)

    def _lose(self, selector: str) -> None:
        self.up.discard(selector)
        self.agreed.pop(selector, None)
        self.owed_end_of_rib.discard(selector)


def session_reports(
    names: Iterable[str], plan: Plan, sessions: Sessions, delta: Delta, trouble: str = ""
) -> dict[str, SessionReport]:
    """Return what the brain is to know of each peer; `trouble` is ExaBGP's own, if it has any."""
    announced: dict[str, list[Prefix]] = {}
    for selector, prefix in delta.actual:
        announced.setdefault(selector, []).append(prefix)
    reports = {}
    for name in names:
        neighbour = plan.neighbours.get(name)
        if neighbour is None:
            reports[name] = SessionReport(name, SessionState.DOWN, plan.faults.get(name, ""))
            continue
        if name in plan.held:
            pending = delta.pending(neighbour.selector)
            reports[name] = SessionReport(name, SessionState.HELD_DOWN, HELD, pending=pending)
            continue
        selector = neighbour.selector
        up = selector in sessions.up
        prefixes = sorted(announced.get(selector, ()), key=_order) if up else ()
        reports[name] = SessionReport(
            peer=name,
            state=SessionState.UP if up else SessionState.CONNECTING,
            reason="" if up else trouble or _why(neighbour, sessions),
            announced=tuple(prefixes),
            pending=delta.pending(selector),
        )
    return reports


def _order(prefix: Prefix) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def _why(neighbour: Neighbour, sessions: Sessions) -> str:
    reason = sessions.reasons.get(neighbour.selector, "")
    return explain(reason, neighbour) if reason else f"{no_answer(neighbour)} yet"


def faults(names: Iterable[str], plan: Plan, delta: Delta) -> dict[str, BgpFault]:
    """Return what can't be done for each peer; empty when all can."""
    selectors = plan.selectors
    refused: dict[str, list[str]] = {}
    for selector, prefix in delta.refused:
        if selector in selectors:
            refused.setdefault(selectors[selector], []).append(str(prefix))
    found = {}
    for name in names:
        texts = [plan.faults[name]] if name in plan.faults else []
        if name in refused:
            texts.append(f"BGPPeer {name}: ExaBGP refuses {', '.join(sorted(refused[name])[:3])}")
        found[name] = BgpFault(name, "; ".join(texts))
    return found
