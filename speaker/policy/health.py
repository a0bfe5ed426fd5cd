"""What the node's service proxy says it has programmed, port by port: the verdicts' time.

A Service with policy Local is asked about at its healthCheckNodePort, all others at the proxy's
own `/healthz` on 10256. The prober asks when this core says so and tells it the outcome; the core
turns outcomes and time into verdicts:

    an HTTP 200                       OPEN
    any other HTTP answer             FAILED
    no answer after an earlier one    the last verdict for KEEP_S, then SILENT
    never an answer                   UNPROVEN for a while after the start (shorter when the proxy
                                      has answered on another port), then OPEN: a data plane that
                                      is not kube-proxy doesn't serve these ports

A kube-proxy that restarts must move nothing, hence KEEP_S. Times are loop seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

NODE_PORT = 10256
"""kube-proxy's own health port, for Services with policy Cluster."""

KEEP_S = 60.0
PROVE_AFTER_START_S = 30.0
PROVE_NEW_PORT_S = 5.0
FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 5.0
PROBES_PER_S = 200.0
"""Over all ports: 1,000 Services with policy Local at a probe each 5 s."""
BURST = 40.0


class Outcome(Enum):
    """What one probe met."""

    OK = "ok"
    REFUSED_SERVICE = "not-ok"
    "An HTTP answer other than 200."
    NO_ANSWER = "no-answer"
    "Connection refused, reset or timed out."


class Verdict(Enum):
    """What a port says about this node."""

    OPEN = "open"
    FAILED = "failed"
    SILENT = "silent"
    UNPROVEN = "unproven"


ANSWERS = {Outcome.OK: Verdict.OPEN, Outcome.REFUSED_SERVICE: Verdict.FAILED}


@dataclass(slots=True)
class _Port:
    """One port's memory."""

    wanted_at: float
    due_at: float
    pause_s: float = FIRST_PAUSE_S
    answer: Outcome | None = None
    "The last answer, if there ever was one."
    silent_since: float | None = None
    asked: bool = False
    "A probe is on its way."


@dataclass(slots=True)
class Health:
    """All ports wanted on this node; `start` is when the process began."""

    start: float
    _ports: dict[int, _Port] = field(default_factory=dict)
    _proxy_answered: bool = False
    _tokens: float = BURST
    _filled_at: float = 0.0

    def want(self, ports: Iterable[int], now: float) -> None:
        """Ask about exactly these ports; what is no longer wanted is forgotten."""
        wanted = set(ports)
        for port in self._ports.keys() - wanted:
            del self._ports[port]
        for port in wanted - self._ports.keys():
            self._ports[port] = _Port(wanted_at=now, due_at=now)

    def touch(self, ports: Iterable[int], now: float) -> None:
        """Ask about these soon, and often for a while: something changed that concerns them."""
        for port in ports:
            state = self._ports.get(port)
            if state is not None:
                state.due_at, state.pause_s = now, FIRST_PAUSE_S

    def take_due(self, now: float) -> list[int]:
        """Return the ports to ask now, longest due first; each until its outcome is told."""
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * PROBES_PER_S)
        self._filled_at = now
        due = sorted(
            (s.due_at, p) for p, s in self._ports.items() if s.due_at <= now and not s.asked
        )
        taken = [port for _, port in due[: int(self._tokens)]]
        self._tokens -= len(taken)
        for port in taken:
            self._ports[port].asked = True
        return taken

    def tell(self, port: int, outcome: Outcome, now: float) -> None:
        """Take the outcome of a probe."""
        state = self._ports.get(port)
        if state is None:
            return
        state.asked = False
        if outcome is Outcome.NO_ANSWER:
            if state.silent_since is None:
                state.silent_since = now
        else:
            if state.answer is not outcome:
                state.pause_s = FIRST_PAUSE_S
            state.answer, state.silent_since = outcome, None
            self._proxy_answered = True
        state.due_at = now + state.pause_s
        state.pause_s = min(state.pause_s * 2, LAST_PAUSE_S)

    def verdict(self, port: int, now: float) -> Verdict:
        """Return what the port says now; a port that isn't asked about is unproven."""
        state = self._ports.get(port)
        if state is None:
            return Verdict.UNPROVEN
        if state.answer is None:
            return Verdict.OPEN if now >= self._proven_at(state) else Verdict.UNPROVEN
        if state.silent_since is not None and now >= state.silent_since + KEEP_S:
            return Verdict.SILENT
        return ANSWERS[state.answer]

    def verdicts(self, now: float) -> Mapping[int, Verdict]:
        """Return all verdicts."""
        return {port: self.verdict(port, now) for port in self._ports}

    def next_deadline(self, now: float) -> float | None:
        """Return when a probe is due or a verdict changes by time alone; None is never."""
        times = [s.due_at for s in self._ports.values() if not s.asked]
        if times and self._tokens < 1:
            refilled = self._filled_at + (1 - self._tokens) / PROBES_PER_S
            times = [max(each, refilled) for each in times]
        times += [at for s in self._ports.values() if (at := self._changes_at(s)) > now]
        return min(times, default=None)

    def _proven_at(self, state: _Port) -> float:
        if self._proxy_answered:
            return state.wanted_at + PROVE_NEW_PORT_S
        return self.start + PROVE_AFTER_START_S

    def _changes_at(self, state: _Port) -> float:
        if state.answer is None:
            return self._proven_at(state)
        return float("-inf") if state.silent_since is None else state.silent_since + KEEP_S
