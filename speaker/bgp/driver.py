"""The bgp process: hears the brain and wire, plans, and has ExaBGP follow.

The intents live in the seam's mirrors, so they outlive the brain. The plan is made anew from all
that is known whenever any of it changes; one task carries it out (`reconciler`), so that one
command at most is under way.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from speaker.bgp.commands import Negotiated, Session
from speaker.bgp.drain import Drain, Stance
from speaker.bgp.netlink import Paths
from speaker.bgp.plan import Planner, World, begun_after
from speaker.bgp.process import ExaBgp
from speaker.bgp.readiness import Readiness
from speaker.bgp.reconciler import Reconciler
from speaker.bgp.sessions import faults, session_reports
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
    SessionForgotten,
    SessionReport,
    Withdrawn,
)
from speaker.seam.messages import Drain as DrainMessage


class Supervisor:
    """Keeps ExaBGP, and answers the brain and wire."""

    def __init__(self, *, node: str, socket_dir: Path, run_dir: Path, bgp_wait_s: float) -> None:
        self._node = node
        self._seam = Process(name="bgp", whole=self._whole, hear=self._hear_seam)
        self._listener = Listener(socket_dir / "bgp.sock", self._seam, ("brain", "wire"))
        self._exabgp = ExaBgp(run_dir, self._hear_exabgp)
        self._reconciler = Reconciler(self._exabgp)
        self._paths = Paths(self._wake_up)
        self._drain = Drain(bgp_wait_s)
        self._wake = asyncio.Event()
        self._planner = Planner()
        self._readiness = Readiness()
        self._world = World(node, {}, (), {})
        self._gone = False
        self._told: dict[str, SessionReport] = {}
        self._faults: dict[str, BgpFault] = {}

    # -- life

    async def run(self) -> None:
        """Serve until `leave` has been called and all is withdrawn."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._paths.fileno(), self._paths.read)
        serving = asyncio.create_task(self._listener.run())
        steering = asyncio.create_task(self._steer())
        try:
            await asyncio.wait([serving, steering], return_when=asyncio.FIRST_COMPLETED)
            (serving if serving.done() else steering).result()
        finally:
            loop.remove_reader(self._paths.fileno())
            self._paths.close()
            steering.cancel()
            await asyncio.wait([steering])
            await self._exabgp.terminate()
            serving.cancel()
            await asyncio.wait([serving])

    def leave(self) -> None:
        """De-prefer, wait, withdraw, and let `run` return."""
        self._drain.begin(self._now, leaving=True)
        self._wake_up()

    def missing(self) -> str:
        """Return what lacks for being ready; empty for ready."""
        brain = self._seam.mirror("brain")
        if not brain.complete:
            return "no intent from the brain yet"
        if self._reconciler.plan.neighbours and not self._reconciler.running:
            return "ExaBGP isn't running"
        peers = [peer.name for peer in brain.of(PeerIntent)]
        return self._readiness.missing(peers, self._told, self._now)

    def metrics(self) -> Mapping[str, float]:
        """Return counters and gauges by name."""
        values: dict[str, float] = {
            f"herald_bgp_{name}": count for name, count in self._reconciler.counters.items()
        }
        for fault, count in self._seam.faults.items():
            values[f"herald_seam_faults_total:fault={fault.value}"] = count
        for name, report in self._told.items():
            values[f"herald_bgp_announced_prefixes:peer={name}"] = len(report.announced)
            values[f"herald_bgp_pending_prefixes:peer={name}"] = report.pending
        values["herald_bgp_sessions_up"] = len(self._reconciler.sessions.up)
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
        if not isinstance(message, CountersWanted | Freshness):
            self._follow_drain()
            self._wake_up()
        elif self._drain.stance(self._now) is not before:
            self._wake_up()

    def _follow_drain(self) -> None:
        wanted = self._seam.mirror("brain").get(DrainMessage, None)
        if wanted is not None and wanted.active:
            self._drain.begin(self._now)
        else:
            self._drain.cancel()

    def _hear_exabgp(self, event: Session | Negotiated | None) -> None:
        if event is not None:
            self._reconciler.hear(event)
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()

    # -- the loop

    async def _steer(self) -> None:
        while True:
            changed = self._wake.is_set()
            self._wake.clear()
            changed |= self._look()
            while await self._reconciler.step():
                changed = True
                if self._wake.is_set() or self._reconciler.refused != self._world.refused:
                    break
            else:
                if changed or self._reconciler.trouble:
                    self._report()
                if await self._left():
                    return
                await self._pause()

    async def _pause(self) -> None:
        ends = (self._reconciler.next_check_at, self._drain.next_change(self._now))
        until = min(at for at in ends if at is not None)
        try:
            async with asyncio.timeout(max(0.0, until - self._now)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _look(self) -> bool:
        """Plan anew if anything is different; tell whether it is."""
        brain = self._seam.mirror("brain")
        peers = {peer.name: peer for peer in brain.of(PeerIntent)}
        sessions = self._reconciler.sessions
        routes = tuple(brain.of(RouteIntent))
        world = World(
            node=self._node,
            peers=peers,
            routes=routes,
            paths=self._paths.to(peers),
            bfd={report.peer: report for report in self._seam.mirror("wire").of(BfdReport)},
            stance=self._drain.stance(self._now),
            refused=self._reconciler.refused,
            agreed={s: sessions.agreed[s] for s in sessions.up if s in sessions.agreed},
            begun=begun_after(routes, self._world.begun),
        )
        if world == self._world:  # equal routes are the same objects: cheap
            return False
        self._world = world
        self._reconciler.plan = self._planner.plan(world)
        return True

    async def _left(self) -> bool:
        """Tell wire, once the process is leaving and no route of it is left anywhere."""
        nothing = not (self._reconciler.plan.routes or self._reconciler.delta.actual)
        waited = self._drain.stance(self._now) is Stance.WITHDRAW
        if not self._drain.leaving or not (waited or nothing):
            return False
        if not await self._reconciler.is_empty():
            self._wake_up()
            return False
        self._gone = True
        self._listener.send(Withdrawn(), to="wire")
        return True

    # -- what goes out

    def _whole(self, peer: str) -> Iterable[Message]:
        if peer == "brain":
            return [*self._told.values(), *(f for f in self._faults.values() if f.text)]
        return [Withdrawn()] if self._gone else []

    def _report(self) -> None:
        names = sorted(peer.name for peer in self._seam.mirror("brain").of(PeerIntent))
        plan, delta = self._reconciler.plan, self._reconciler.delta
        sessions, trouble = self._reconciler.sessions, self._reconciler.trouble
        reports = session_reports(names, plan, sessions, delta, trouble)
        found = faults(names, plan, delta)
        for name in sorted(self._told.keys() - reports.keys()):
            self._listener.send(SessionForgotten(name), to="brain")
        for name in names:
            if reports[name] != self._told.get(name):
                self._listener.send(reports[name], to="brain")
            before = self._faults.get(name)
            if found[name] != before and (before is not None or found[name].text):
                self._listener.send(found[name], to="brain")
        self._told, self._faults = reports, found
