"""Joins the planner to the API server: plans when something changed, writes what is due.

Only the leader plans and writes. Who becomes leader first reads all Services once, past any cache,
then adopts them in a new planner. Each write must end before the Lease can be another's. Planning
happens in the turn of the loop after the change; writes go out concurrently, bounded, one
at a time for each object. Events and the pools' counters follow behind and never hold a status up.
"""

import asyncio
import logging

from controller.config_state.driver import StateWriter
from controller.delta import Delta, Write
from controller.dirty import Dirty, is_news
from controller.events.driver import Teller, timestamp
from controller.failures import note_failure
from controller.floor import Floor
from controller.hello_key.driver import ensure_hello_key
from controller.leader.client import LeaderClient, Leadership
from controller.leader.driver import list_services
from controller.news import news_of
from controller.outcome import Change
from controller.patches import patch_for
from controller.planner import Planner
from controller.pool_status.driver import EVERY_S, PoolCounters
from controller.restraint import Restraint
from controller.status import count_pools
from controller.verdict import news_of_faults, verdict_of
from controller.view import NEEDED, Outlook, View, may_lead, metallb_controllers, outlook_of
from kube.api import ApiError, Patch, object_path
from kube.client import Client
from kube.faults import Fault
from kube.objects import Json, ObjectError, ObjectName, Service
from kube.parsing import parse_service
from kube.snapshot import Kind, Snapshot
from kube.store import Changes, name_of

LOG = logging.getLogger("controller.reconciler")

WRITERS = 32
"""Status writes under way at once: an API server near saturation answers in tens of ms."""
TAKE_OVER_RETRY_S = 1.0


class Reconciler:
    """Plans and writes while this process leads; feed it with the watch, then `run`."""

    def __init__(
        self,
        client: Client,
        leadership: Leadership,
        *,
        namespace: str,
        lb_class: str | None,
        heeds_metallb: bool = True,
        counters_every_s: float = EVERY_S,
    ) -> None:
        self._client = client
        self._leadership = leadership
        self._namespace = namespace
        self._lb_class = lb_class
        self._heeds_metallb = heeds_metallb
        self._snapshot = Snapshot()
        self._outlook: Outlook | None = None
        self._planner: Planner | None = None
        self._floor = Floor()
        self._delta = Delta()
        self._plan_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._role_changed = asyncio.Event()
        self._due = asyncio.Event()
        self._dirty = Dirty()
        self._tasks: asyncio.TaskGroup | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._first = True
        self._ending = False
        self._leader = LeaderClient(client, leadership)
        self._teller = Teller(self._leader)
        self._counters = PoolCounters(client, self._leader, namespace, every_s=counters_every_s)
        self._state = StateWriter(self._leader, namespace)
        self._restraint = Restraint()
        self._faults_told = ""
        self._written = 0

    @property
    def planner(self) -> Planner | None:
        """The plan in force; None while another replica leads."""
        return self._planner

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the pools; empty while another replica leads and looks."""
        return self._outlook.faults if self._planner and self._outlook else ()

    @property
    def writes(self) -> dict[str, int]:
        """Writes that were done, by what was written."""
        return {
            "status": self._written,
            "event": self._teller.sent,
            "pool": self._counters.sent,
            "state": self._state.sent,
        }

    @property
    def unwritten(self) -> int:
        """How many Services were given addresses that their status doesn't show."""
        return self._delta.unwritten

    @property
    def write_errors(self) -> dict[tuple[str, int], int]:
        """Writes that were not done, or not known to be, by resource and HTTP status."""
        return dict(self._leader.errors)

    def readiness(self) -> str:
        """Return why this replica could not do its work now, or an empty text."""
        missing = sorted(kind.value for kind in NEEDED - self._snapshot.listed)
        return f"not listed yet: {', '.join(missing)}" if missing else ""

    def on_change(self, snapshot: Snapshot, changes: Changes) -> None:
        """Take what one turn of the watch brought."""
        before, self._snapshot = self._snapshot, snapshot
        if self._metallb_runs():
            self._stop_leading()
        if self._state.name in changes.names.get(Kind.CONFIGURATION_STATE, ()):
            self._state.seen(snapshot.configuration_states.get(self._state.name))
        for name in changes.names.get(Kind.POOL_STATUS, ()):
            self._counters.seen(name.name, snapshot.pool_statuses.get(name))
        if self._planner is None:
            self._role_changed.set()
            return
        # Until the watch has caught up with the list, the planner sees more than it.
        sees_all = self._floor.until is None
        told = set()
        for name in changes.names.get(Kind.SERVICE, ()):
            service = snapshot.services.get(name)
            self._delta.observe(name, service)
            if not sees_all or is_news(before.services.get(name), service, self._delta):
                told.add(name)
        self._dirty.add(changes, told)
        if told or not changes.only(Kind.SERVICE):
            self._due.set()
        elif not self._delta.idle:
            self._dispatch()

    def echo(self, kind: Kind, obj: Json) -> Service | None:
        """Return what is known of this very version of an object: the watch need not parse it."""
        if kind is not Kind.SERVICE or self._planner is None:
            return None
        return self._delta.echo(name_of(obj), obj)

    def on_role(self, _: object) -> None:
        """Take note that leading began or ended."""
        if not self._leadership.leads():
            self._stop_leading()
        self._role_changed.set()

    async def run(self) -> None:
        """Lead whenever elected, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._lead_when_elected())
            tasks.create_task(self._plan_when_due())
            tasks.create_task(self._teller.run())
            tasks.create_task(self._counters.run())
            tasks.create_task(self._state.run())

    async def drained(self) -> None:
        """End leading and wait for the writes under way, so that the Lease may be given up."""
        self._ending = True
        self._stop_leading()
        if self._requests:
            await asyncio.wait(self._requests)

    # Leading.

    async def _lead_when_elected(self) -> None:
        while True:
            await self._role_changed.wait()
            self._role_changed.clear()
            if self._ending or self._planner is not None or not self._leadership.leads():
                continue
            if not may_lead(self._snapshot) or self._metallb_runs():
                continue
            try:
                await self._take_over()
            except ApiError as error:
                LOG.warning("cannot take over yet", extra={"fields": {"error": str(error)}})
                # Slept, not timed: what changes meanwhile must not make it sooner.
                await asyncio.sleep(TAKE_OVER_RETRY_S)
                self._role_changed.set()

    async def _take_over(self) -> None:
        listed, version = await list_services(self._client)
        await self._counters.read()
        await self._state.read()
        self._faults_told = self._state.summary
        await ensure_hello_key(self._leader, self._namespace)
        if not self._leadership.leads():
            return
        now = asyncio.get_running_loop().time()
        self._floor = Floor(listed, version, self._snapshot.services, now)
        self._planner = Planner(self._lb_class)
        self._delta = Delta()
        self._outlook, self._first = None, True
        for name, service in self._floor.raise_to(self._snapshot.services).items():
            self._delta.observe(name, service)
        self._dirty = Dirty(pools=True)
        self._due.set()
        LOG.info("leading", extra={"fields": {"services": len(listed)}})

    def _metallb_runs(self) -> bool:
        """Tell whether another allocator is at work that we must wait for."""
        return self._heeds_metallb and bool(metallb_controllers(self._snapshot))

    def _stop_leading(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._planner = None
        self._teller.forget()
        self._counters.forget()
        self._state.forget()

    # Planning.

    async def _plan_when_due(self) -> None:
        # In a task, so that a mistake of ours ends the process instead of only this pass.
        while True:
            await self._due.wait()
            self._due.clear()
            if self._planner is not None:
                self._plan(self._planner)

    def _plan(self, planner: Planner) -> None:
        dirty, self._dirty = self._dirty, Dirty()
        now = asyncio.get_running_loop().time()
        self._outlook = outlook_of(self._snapshot, self._outlook, pools_changed=dirty.pools)
        view = self._outlook.view
        missed = self._floor.expired(now)
        for name in missed:
            self._delta.observe(name, self._snapshot.services.get(name))
        services = self._floor.raise_to(view.services)
        plan = planner.replan(
            View(services, view.pools, view.namespaces, view.node_addresses),
            now,
            services=dirty.services | missed | self._floor.overtaken(),
            namespaces=dirty.namespaces,
        )
        for change in plan.changes:
            self._want(change)
        for name in dirty.services:
            # Deleted and created anew between two looks: what was decided holds, and is unwritten.
            if self._delta.lacks(name) and (outcome := planner.outcomes.get(name)):
                self._delta.want(name, outcome, (), fresh=False)
        self._first = False
        self._plan_at = plan.deadline
        self._dispatch()
        self._arm()
        self._counters.show(lambda: count_pools(planner.ledger))
        if dirty.pools:
            self._judge(self._outlook.faults)
        self._show_verdict()

    def _judge(self, faults: tuple[Fault, ...]) -> None:
        uids = {name: pool.metadata.uid for name, pool in self._snapshot.pools.items()}
        self._teller.tell(news_of_faults(faults, uids, self._faults_told))
        self._faults_told = verdict_of(faults).summary

    def _show_verdict(self) -> None:
        faults = self._outlook.faults if self._outlook else ()
        self._state.show(verdict_of(faults, self._delta.refusals))

    def _want(self, change: Change) -> None:
        service = self._delta.shown(change.service)
        if service is None:
            return
        # What a new leader finds as it was left is no news.
        fresh = not self._first or change.cause is not None
        told = not fresh and patch_for(service, change.outcome, "", fresh=False) is None
        news = () if told else news_of(service, change)
        self._delta.want(change.service, change.outcome, news, fresh=fresh)
        if news:
            LOG.info(
                "service",
                extra={"fields": {"service": str(change.service), "news": news[0].message}},
            )

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        deadlines = (self._plan_at, self._floor.until, self._delta.next_deadline())
        due = [at for at in (*deadlines, self._restraint.next_at(loop.time())) if at is not None]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(max(min(due), loop.time()), self._due.set) if due else None

    # Writing.

    def _dispatch(self) -> None:
        if self._planner is None or self._tasks is None or not self._leadership.leads():
            return
        now = asyncio.get_running_loop().time()
        free = self._restraint.allowance(now, len(self._delta.under_way), WRITERS)
        latest, probing = self._snapshot.services, self._restraint.forbidden
        for write in self._delta.next_writes(now, timestamp(), free, latest, probing=probing):
            if write.body:
                request = self._tasks.create_task(self._write(write))
                self._requests.add(request)
                request.add_done_callback(self._requests.discard)
            else:
                self._teller.tell(write.news)

    async def _write(self, write: Write) -> None:
        delta, loop = self._delta, asyncio.get_running_loop()
        refused = write.service in delta.refusals
        try:
            answer = await self._leader.patch(
                object_path("Service", write.service, "status"), write.body, Patch.STRATEGIC
            )
            known = delta.known(write.service, answer)
            delta.written(write, known or parse_service(answer))
            self._restraint.accepted()
            self._written += 1
            self._teller.tell(write.news)
        except (ApiError, ObjectError) as error:
            failure = note_failure(delta, self._restraint, write, error, loop.time())
            self._teller.tell(failure.news)
            fields = {"service": str(write.service), "error": str(error)}
            LOG.info("write failed", extra={"fields": fields})
            if failure.doubtful:
                await self._read_again(delta, write.service)
        if delta is self._delta and self._planner is not None:
            if refused or write.service in delta.refusals:
                self._show_verdict()
            self._dispatch()
            if self._restraint.forbidden or delta.next_deadline() is not None:
                self._arm()

    async def _read_again(self, delta: Delta, name: ObjectName) -> None:
        """After a refused write, or one whose end is unknown, see what is there."""
        try:
            obj = await self._leader.get(object_path("Service", name))
            delta.observe(name, parse_service(obj), surely=True)
        except ApiError as error:
            if error.not_found and delta is self._delta:
                delta.observe(name, None)
                self._floor.drop(name)
                self._dirty.services.add(name)
                self._due.set()
        except ObjectError:
            return
