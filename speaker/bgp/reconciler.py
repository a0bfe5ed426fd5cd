"""Makes ExaBGP be as the plan says, a step at a time.

What must be is the plan; what is comes from acknowledgements and from reading back; each step
carries out one piece of the difference. So a crash, a hang, a refused config and a changed intent
need no code of their own: what is known changes, and the steps follow.

Order: the config (neighbours), then routes, then End-of-RIB for sessions that have come up, then
reading back, then a sign of life.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from speaker.bgp import commands
from speaker.bgp.commands import Negotiated, Session
from speaker.bgp.config import Neighbour, render
from speaker.bgp.plan import Plan
from speaker.bgp.process import ConfigFileError, ExaBgp, ExaBgpError, PipeError
from speaker.bgp.routes import Delta, Route, RouteKey
from speaker.bgp.sessions import Sessions

READ_BACK_S = 60.0
AFTER_REFUSAL_S = 5.0
"Then what ExaBGP refused is tried again, in case the reason has gone."

ALIVE_S = 1.0
"Between commands: a hung ExaBGP is noticed after this and the limit for acknowledgements."

REFUSED_AGAIN_S = 60.0
"Then a neighbour that was refused is tried again: it costs no session anything."

FLUSH_LIMIT_S = 0.5
LAST_FLUSH_LIMIT_S = 2.0
"""Of a process that leaves: nothing else waits for it, and what has not left stays at a router with
graceful restart. The process itself ends a second later."""

FLUSH_POLL_S = 0.01
RESTART_PAUSES_S = (0.0, 0.1, 0.5, 2.0, 5.0)
"By failures in a row; one that had run for `STEADY_S` begins the count anew."

STEADY_S = 2.0

COUNTERS = (
    "commands_total", "config_write_failures_total", "exabgp_lost_total", "exabgp_starts_total",
    "helper_lost_total", "read_back_differences_total", "refused_commands_total",
    "refused_configs_total", "reloads_total",
)  # fmt: skip
"All are there from the beginning, so that a first failure is seen as a rise."

LOG = logging.getLogger(__name__)
NOTHING = Plan({}, {}, frozenset(), {}, "")


class Reconciler:
    """Keeps one ExaBGP. Set `plan`, then call `step` until it says that there is nothing to do."""

    def __init__(self, exabgp: ExaBgp) -> None:
        self.plan = NOTHING
        self.delta = Delta()
        self.sessions = Sessions()
        self.refused: dict[Neighbour, str] = {}
        "Neighbours whose config ExaBGP would not take, and its words."
        self.trouble = ""
        "Why ExaBGP doesn't run; empty if it does."
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self.next_check_at = 0.0
        self._exabgp = exabgp
        self._loaded = NOTHING
        self._read_back_at = 0.0
        self._alive_at = 0.0
        self._failures = 0
        self._steady_at = math.inf
        self._reload_at = 0.0
        self._refused_until = 0.0

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def running(self) -> bool:
        """Whether ExaBGP runs and listens to us."""
        return self._exabgp.attached

    def hear(self, event: Session | Negotiated) -> None:
        """Take an event of ExaBGP's in."""
        was_up = event.selector in self.sessions.up
        self.sessions.apply(event)
        if not isinstance(event, Session) or was_up == (event.selector in self.sessions.up):
            return
        if not was_up:
            self._read_back_at = min(self._read_back_at, self._now)
        fields = {"neighbor": event.selector, "state": event.state, "reason": event.reason}
        LOG.info("session", extra={"fields": fields})

    async def step(self) -> bool:
        """Do the next thing; tell whether there may be more."""
        try:
            return await self._step()
        except PipeError as error:
            self._count("helper_lost_total", "exabgp-helper-lost", error)
        except ExaBgpError as error:
            self._count("exabgp_lost_total", "exabgp-lost", error)
            if self._now > self._steady_at:
                self._failures = 0
            self._steady_at = math.inf
            self.trouble = f"ExaBGP is being started again: {error}"
            await self._exabgp.stop()
            await asyncio.sleep(RESTART_PAUSES_S[min(self._failures, len(RESTART_PAUSES_S) - 1)])
            self._failures += 1
        except ConfigFileError as error:
            self._count("config_write_failures_total", "config-not-written", error)
            self.trouble = f"ExaBGP's config can't be written: {error}"
            self._reload_at = self._now + ALIVE_S
        self.next_check_at = self._now
        return False  # what is wrong is told before the next try

    async def is_empty(self) -> bool:
        """Read back whether every route has gone, from ExaBGP and from the wire."""
        if self._exabgp.attached:
            try:
                await self._flush(self.sessions.up, LAST_FLUSH_LIMIT_S)
                await self._read_back()
            except (PipeError, ExaBgpError) as error:
                self._count("exabgp_lost_total", "exabgp-lost", error)
                await self._exabgp.stop()
                self.delta.forget_all()  # its sessions went with it
        return not self.delta.actual

    # -- the steps

    async def _step(self) -> bool:
        if not await self._started():
            self.next_check_at = self._now + ALIVE_S
            return False
        if self.plan.config != self._loaded.config and self._now >= self._reload_at:
            await self._reload()
            return True
        self.delta.want(self._possible_routes())
        return await self._change_routes() or await self._end_of_rib() or await self._check()

    def _possible_routes(self) -> Mapping[RouteKey, Route]:
        if self.plan.config == self._loaded.config:
            return self.plan.routes
        loaded = self._loaded.selectors  # the others wait for a config that can't be written
        return {key: route for key, route in self.plan.routes.items() if key[0] in loaded}

    async def _started(self) -> bool:
        """See that ExaBGP runs, if it is wanted; tell whether it does."""
        if self._exabgp.attached:
            return True
        if self._exabgp.alive:
            await self._exabgp.attach()
            self._read_back_at = 0.0  # events may have been lost
            return True
        if not self.plan.neighbours:
            return False
        self.sessions = Sessions()
        self.delta.forget_all()
        try:
            await self._exabgp.start(self.plan.config)
        except ExaBgpError:
            await self._find_refused()
            raise
        self._loaded, self.trouble, self._steady_at = self.plan, "", self._now + STEADY_S
        self.counters["exabgp_starts_total"] += 1
        return True

    async def _reload(self) -> None:
        """Have ExaBGP load the plan's neighbours; those that go withdraw first."""
        plan = self.plan
        before, after = set(self._loaded.selectors), set(plan.selectors)
        leaving = (before - after) & self.sessions.up
        for selector in leaving:  # with graceful restart a closed session alone keeps its routes
            await self._ask(commands.clear(selector))
        await self._flush(leaving)
        try:
            answer = await self._exabgp.reload(plan.config)
        except PipeError:
            self._load_again()
            raise
        self._loaded, self.trouble = plan, ""
        self.counters["reloads_total"] += 1
        if not answer.ok:
            self._count("refused_configs_total", "exabgp-refused-its-config", answer.error)
            self.delta.forget(before - after)
            if not await self._find_refused():
                self._load_again(AFTER_REFUSAL_S)
            return
        self.sessions.keep(after)
        self.delta.forget(before ^ after)
        if not await self._settled(after):
            self._load_again(FLUSH_LIMIT_S)

    def _load_again(self, pause_s: float = 0.0) -> None:
        """Have the config loaded again: which neighbours ExaBGP has is not known.

        A plan that is the one before would else change nothing, though ExaBGP may have another.
        """
        self._loaded = replace(self._loaded, config="")
        self._reload_at = self._now + pause_s

    async def _settled(self, selectors: set[str]) -> bool:
        """Wait until those that left are dropped: one that came back would be dropped too."""
        ends = self._now + FLUSH_LIMIT_S
        while set(await self._pending()) != selectors:
            if self._now >= ends:
                return False
            await asyncio.sleep(FLUSH_POLL_S)
        return True

    async def _find_refused(self) -> bool:
        """Find the neighbours that ExaBGP would refuse, so that they alone are left out.

        Returns whether there are any.
        """
        if await self._exabgp.validate(render([])):
            return False  # it refuses everything: no neighbour's fault
        found = {}
        for neighbour in self.plan.neighbours.values():
            words = await self._exabgp.validate(render([neighbour]))
            if words:
                found[neighbour] = words
                fields = {"peer": neighbour.peer, "why": words}
                LOG.error("exabgp-refuses-peer", extra={"fields": fields})
        self.refused = {**self.refused, **found}
        self._refused_until = self._now + REFUSED_AGAIN_S
        return bool(found)

    async def _change_routes(self) -> bool:
        batch = self.delta.next_batch()
        if batch is None:
            return False
        if await self._ask(commands.apply_batch(batch)):
            self.delta.done(batch)
        else:
            self.delta.failed(batch)
            self._count("refused_commands_total", "exabgp-refused-a-command", batch.selector)
            self._read_back_at = min(self._read_back_at, self._now + AFTER_REFUSAL_S)
        return True

    async def _end_of_rib(self) -> bool:
        for selector in sorted(self.sessions.owed_end_of_rib):
            self.sessions.owed_end_of_rib.discard(selector)
            for version in sorted(self.sessions.agreed.get(selector, ())):
                await self._ask(commands.announce_end_of_rib(selector, version))
            return True
        return False

    async def _check(self) -> bool:
        """Read back what ExaBGP has, or see that it lives, if it is time."""
        if self._now >= self._read_back_at:
            await self._read_back()
            return True
        if self.refused and self._now >= self._refused_until:
            self.refused = {}
        if self._now >= self._alive_at:
            await self._ask(commands.HEARTBEAT)
        self.next_check_at = min(self._alive_at, self._read_back_at)
        return False

    # -- speaking

    async def _read_back(self) -> None:
        self._read_back_at = self._now + READ_BACK_S
        _, lines = await self._exabgp.ask(commands.SHOW_NEIGHBORS)
        up = commands.parse_neighbors(lines)
        if up is not None:
            self.sessions.sync(up)
        _, lines = await self._exabgp.ask(commands.SHOW_ROUTES)
        wrong = self.delta.read_back(commands.parse_routes(lines))
        if wrong:
            self.counters["read_back_differences_total"] += wrong
            LOG.warning("routes-were-not-as-believed", extra={"fields": {"count": wrong}})

    async def _ask(self, command: str) -> bool:
        self._alive_at = self._now + ALIVE_S
        done, _ = await self._exabgp.ask(command)
        self.counters["commands_total"] += 1
        return done

    async def _pending(self) -> dict[str, int]:
        _, lines = await self._exabgp.ask(commands.SHOW_PENDING)
        return commands.parse_pending(lines)

    async def _flush(self, selectors: Iterable[str], limit_s: float = FLUSH_LIMIT_S) -> None:
        """Wait until the neighbours' updates have left, but not for long."""
        waited = set(selectors)
        ends = self._now + limit_s
        while waited:
            pending = await self._pending()
            waited = {selector for selector in waited if pending.get(selector)}
            if not waited or self._now >= ends:
                return
            await asyncio.sleep(FLUSH_POLL_S)

    def _count(self, counter: str, event: str, why: object) -> None:
        self.counters[counter] += 1
        LOG.warning(event, extra={"fields": {"why": str(why)}})
