"""The bgp process: keeps ExaBGP as the brain wants it, whatever ExaBGP does.

One task, `_steer`, does everything to ExaBGP, a step at a time: what must be is a pure function
(`plan`), what is comes from acknowledgements and from reading back, and each step carries out one
piece of the difference. So a crash, a hang, a refused config or a restart of the brain needs no
code of its own: what is known changes, and the steps follow.

Order of the steps: the config (neighbours), then routes, then End-of-RIB for sessions that have
come up, then reading back, then a sign of life.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from speaker.bgp import commands
from speaker.bgp.commands import Negotiated, Session
from speaker.bgp.config import Neighbour, render
from speaker.bgp.drain import Drain, Stance
from speaker.bgp.netlink import Paths
from speaker.bgp.plan import Plan, World, make_plan
from speaker.bgp.process import ExaBgp, ExaBgpError, PipeError
from speaker.bgp.routes import Delta
from speaker.bgp.sessions import Sessions, faults, session_reports
from speaker.seam.driver import Listener, Process
from speaker.seam.messages import (
    BfdReport,
    BgpFault,
    Counters,
    CountersWanted,
    Freshness,
    Message,
    PeerIntent,
    RouteIntent,
    SessionReport,
    Withdrawn,
)
from speaker.seam.messages import Drain as DrainMessage

READ_BACK_S = 60.0
ALIVE_S = 1.0
"Between commands: a hung ExaBGP is noticed after this and the limit for acknowledgements."

FLUSH_LIMIT_S = 0.5
FLUSH_POLL_S = 0.01
RESTART_PAUSES_S = (0.0, 0.1, 0.5, 2.0, 5.0)
REFUSED_AGAIN_S = 60.0

LOG = logging.getLogger(__name__)


class Supervisor:
    """Keeps ExaBGP, and answers the brain and wire."""

    def __init__(self, *, node: str, socket_dir: Path, run_dir: Path, bgp_wait_s: float) -> None:
        self._node = node
        self._process = Process(
            name="bgp", whole=self._whole, hear=self._hear_seam, lose=lambda _peer: self._wake.set()
        )
        self._listener = Listener(socket_dir / "bgp.sock", self._process, ("brain", "wire"))
        self._exabgp = ExaBgp(run_dir, self._hear_exabgp)
        self._paths = Paths(self._wake_up)
        self._drain = Drain(bgp_wait_s)
        self._sessions = Sessions()
        self._delta = Delta()
        self._refused: dict[Neighbour, str] = {}
        self._plan = make_plan(World(node, {}, (), {}))
        self._loaded = Plan({}, {}, frozenset(), {}, "")
        self._wake = asyncio.Event()
        self._stale = True
        self._read_back_at = 0.0
        self._alive_at = 0.0
        self._failures = 0
        self._gone = False
        self._told: dict[str, SessionReport] = {}
        self._faults: dict[str, BgpFault] = {}
        self.counters: Counter[str] = Counter()

    # -- life

    async def run(self) -> None:
        """Serve until `leave` has been called and all is withdrawn."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._paths.fileno(), self._paths.read)
        serving = asyncio.create_task(self._listener.run())
        try:
            await self._steer()
        finally:
            loop.remove_reader(self._paths.fileno())
            self._paths.close()
            await self._exabgp.terminate()
            serving.cancel()
            await asyncio.wait([serving])

    def leave(self) -> None:
        """De-prefer, wait, withdraw, and let `run` return."""
        self._drain.begin(self._now, leaving=True)
        self._wake_up()

    def missing(self) -> str:
        """Return what lacks for being ready; empty for ready."""
        if not self._process.mirror("brain").complete:
            return "no intent from the brain yet"
        if self._plan.neighbours and not self._exabgp.attached:
            return "ExaBGP isn't running"
        return ""

    def metrics(self) -> Mapping[str, float]:
        """Return counters and gauges by name."""
        values: dict[str, float] = {f"herald_bgp_{k}": v for k, v in self.counters.items()}
        for fault, count in self._process.faults.items():
            values[f"herald_seam_faults_total:fault={fault.value}"] = count
        for name, report in self._told.items():
            values[f"herald_bgp_announced_prefixes:peer={name}"] = len(report.announced)
            values[f"herald_bgp_pending_prefixes:peer={name}"] = report.pending
        values["herald_bgp_sessions_up"] = len(self._sessions.up)
        return values

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- what comes in

    def _hear_seam(self, peer: str, message: Message) -> None:
        before = self._drain.stance(self._now)
        if peer == "brain":
            self._drain.brain_heard(self._now)
        if isinstance(message, CountersWanted):
            self._listener.send(Counters(self.metrics()), to=peer)
        if isinstance(message, CountersWanted | Freshness) and before is self._drain.stance(
            self._now
        ):
            return
        drain = self._process.mirror("brain").get(DrainMessage, None)
        if drain is not None and drain.active:
            self._drain.begin(self._now)
        else:
            self._drain.cancel()
        self._wake_up()

    def _hear_exabgp(self, event: Session | Negotiated | None) -> None:
        if event is not None:
            self._sessions.apply(event)
            if isinstance(event, Session) and event.state == "up":
                self._read_back_at = min(self._read_back_at, self._now)
            if isinstance(event, Session) and event.state in ("up", "down"):
                fields = {"neighbor": event.selector, "state": event.state, "reason": event.reason}
                LOG.info("session", extra={"fields": fields})
        self._wake_up()

    def _wake_up(self) -> None:
        self._stale = True
        self._wake.set()

    async def _gone_without_trace(self) -> bool:
        """Tell wire once the process is leaving and no route of it is left anywhere."""
        if not self._drain.leaving or self._drain.stance(self._now) is not Stance.WITHDRAW:
            return False
        if self._exabgp.attached:
            await self._flush(self._sessions.up)
            await self._read_back()
        if self._delta.actual:
            self._wake.set()
            return False
        self._gone = True
        self._listener.send(Withdrawn(), to="wire")
        return True

    # -- the steps

    async def _steer(self) -> None:
        while True:
            self._wake.clear()
            try:
                worked = await self._step()
            except PipeError as error:
                self._count("helper_lost_total", "exabgp-helper-lost", error)
            except ExaBgpError as error:
                self._count("exabgp_lost_total", "exabgp-lost", error)
                await self._exabgp.stop()
                await asyncio.sleep(
                    RESTART_PAUSES_S[min(self._failures, len(RESTART_PAUSES_S) - 1)]
                )
                self._failures += 1
            else:
                if worked:
                    continue
                self._report()
                if await self._gone_without_trace():
                    return
                await self._pause()

    async def _pause(self) -> None:
        ends = [self._alive_at, self._drain.next_change(self._now)]
        until = min(at for at in ends if at is not None)
        try:
            async with asyncio.timeout(max(0.0, until - self._now)):
                await self._wake.wait()
        except TimeoutError:
            self._stale = True

    async def _step(self) -> bool:
        """Do the next thing; tell whether there was one."""
        if self._stale:
            self._make_plan()
        if not await self._running():
            self._alive_at = self._now + ALIVE_S
            return False
        if self._plan.config != self._loaded.config:
            await self._reload()
            return True
        self._delta.desired = self._plan.routes
        batch = self._delta.next_batch()
        if batch is not None:
            done = await self._ask(commands.apply_batch(batch))
            if done:
                self._delta.done(batch)
            else:
                self._delta.failed(batch)
                self._count("refused_commands_total", "exabgp-refused-a-command", batch.selector)
                self._read_back_at = min(self._read_back_at, self._now + 1.0)
            return True
        return await self._end_of_rib() or await self._check()

    def _make_plan(self) -> None:
        self._stale = False
        brain = self._process.mirror("brain")
        peers = {peer.name: peer for peer in brain.of(PeerIntent)}
        world = World(
            node=self._node,
            peers=peers,
            routes=tuple(brain.of(RouteIntent)),
            paths=self._paths.to(peers),
            bfd={report.peer: report for report in self._process.mirror("wire").of(BfdReport)},
            stance=self._drain.stance(self._now),
            refused=self._refused,
            agreed={
                s: self._sessions.agreed[s] for s in self._sessions.up & {*self._sessions.agreed}
            },
        )
        self._plan = make_plan(world)

    async def _running(self) -> bool:
        """See that ExaBGP runs, if it is wanted."""
        if self._exabgp.attached:
            return True
        if self._exabgp.alive:
            await self._exabgp.attach()
            self._read_back_at = 0.0
            return True
        if not self._plan.neighbours:
            return False
        self._sessions = Sessions()
        self._delta.actual.clear()
        try:
            await self._exabgp.start(self._plan.config)
        except ExaBgpError:
            await self._find_refused(self._plan.neighbours.values())
            raise
        self._loaded = self._plan
        self.counters["exabgp_starts_total"] += 1
        return True

    async def _reload(self) -> None:
        """Have ExaBGP load the plan's neighbours; those that go withdraw first."""
        plan = self._plan
        before, after = set(self._loaded.selectors), set(plan.selectors)
        leaving = (before - after) & self._sessions.up
        for selector in leaving:  # with graceful restart a closed session alone keeps its routes
            await self._ask(commands.clear(selector))
        await self._flush(leaving)
        answer = await self._exabgp.reload(plan.config)
        self.counters["reloads_total"] += 1
        if not answer.ok:
            self._count("refused_configs_total", "exabgp-refused-its-config", answer.error)
            await self._find_refused(plan.neighbours.values())
            return
        self._loaded = plan
        self._sessions.keep(after)
        self._delta.forget(before ^ after)
        await self._settled(after)

    async def _settled(self, selectors: set[str]) -> None:
        """Wait until those that left are dropped: one that came back would be dropped too."""
        ends = self._now + FLUSH_LIMIT_S
        while self._now < ends:
            if set(await self._pending()) == selectors:
                return
            await asyncio.sleep(FLUSH_POLL_S)

    async def _find_refused(self, neighbours: Iterable[Neighbour]) -> None:
        """Find the neighbours that ExaBGP would refuse, so that they alone are left out."""
        self._stale = True
        found = {}
        for neighbour in neighbours:
            words = await self._exabgp.validate(render([neighbour]))
            if words:
                found[neighbour] = words
                fields = {"peer": neighbour.peer, "why": words}
                LOG.error("exabgp-refuses-peer", extra={"fields": fields})
        self._refused = {**self._refused, **found}

    async def _end_of_rib(self) -> bool:
        for selector in sorted(self._sessions.owed_end_of_rib):
            self._sessions.owed_end_of_rib.discard(selector)
            for version in sorted(self._sessions.agreed.get(selector, ())):
                await self._ask(commands.announce_end_of_rib(selector, version))
            return True
        return False

    async def _check(self) -> bool:
        """Read back what ExaBGP has, or see that it lives, if it is time."""
        if self._now >= self._read_back_at:
            await self._read_back()
            return True
        if self._now >= self._alive_at:
            await self._ask(commands.HEARTBEAT)
            self._failures = 0
        return False

    async def _read_back(self) -> None:
        self._read_back_at = self._now + READ_BACK_S
        _, lines = await self._exabgp.ask(commands.SHOW_NEIGHBORS)
        self._sessions.sync(commands.parse_neighbors(lines))
        _, lines = await self._exabgp.ask(commands.SHOW_ROUTES)
        wrong = self._delta.read_back(commands.parse_routes(lines))
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

    async def _flush(self, selectors: Iterable[str]) -> None:
        """Wait until the neighbours' updates have left, but not for long."""
        waited = set(selectors)
        ends = self._now + FLUSH_LIMIT_S
        while waited and self._now < ends:
            pending = await self._pending()
            waited = {selector for selector in waited if pending.get(selector)}
            if waited:
                await asyncio.sleep(FLUSH_POLL_S)

    # -- what goes out

    def _whole(self, peer: str) -> Iterable[Message]:
        if peer == "brain":
            return [*self._told.values(), *(f for f in self._faults.values() if f.text)]
        return [Withdrawn()] if self._gone else []

    def _report(self) -> None:
        names = sorted(peer.name for peer in self._process.mirror("brain").of(PeerIntent))
        reports = session_reports(names, self._plan, self._sessions, self._delta)
        found = faults(names, self._plan, self._delta)
        for name in names:
            if reports[name] != self._told.get(name):
                self._listener.send(reports[name], to="brain")
            before = self._faults.get(name)
            if found[name] != before and (before is not None or found[name].text):
                self._listener.send(found[name], to="brain")
        self._told, self._faults = reports, found

    def _count(self, counter: str, event: str, why: object) -> None:
        self.counters[counter] += 1
        LOG.warning(event, extra={"fields": {"why": str(why)}})
