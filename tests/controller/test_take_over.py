"""A new leader's first pass, and how many writes it has under way at once."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from controller.outcome import Assigned, Pending
from controller.reconciler import TAKE_OVER_RETRY_S, WRITERS
from kube.objects import ObjectName
from netns_lab.faults.modes import Fault, Mode
from netns_lab.faults.proxy import FaultProxy
from tests.builders import name
from tests.controller.live import Leads, behind_proxy, controlling, live
from tests.waiting import idle, until

GIVEN = {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.4.10", "ipMode": "VIP"}]}}}


async def test_new_leader_gives_nothing_that_was_given_behind_its_watchs_back(
    tmp_path: Path,
) -> None:
    """The list shows what the last leader wrote; the watch of Services lags behind it."""
    leads = Leads(leads=False)
    async with live(tmp_path) as there, behind_proxy(there, tmp_path) as (proxied, proxy):
        await there.create_pool("first", "192.168.4.10/32")
        await there.create_service("waits")
        async with controlling(proxied, leads) as (reconciler, _):
            await until(lambda: not reconciler.readiness())
            await proxy.set_fault(Fault(Mode.HANG, match="/services", verbs=("watch",)))
            await there.create_service("given")
            await there.patch_service("given", GIVEN, "status")

            leads.now = True
            reconciler.on_role(None)
            await until(lambda: reconciler.planner and reconciler.planner.outcomes)

            assert reconciler.planner is not None
            outcomes: Mapping[ObjectName, object] = reconciler.planner.outcomes
            assert isinstance(outcomes[name("given")], Assigned)
            assert isinstance(outcomes[name("waits")], Pending)


async def test_take_over_that_fails_is_not_tried_again_at_each_change(tmp_path: Path) -> None:
    leads = Leads(leads=False)
    async with (
        live(tmp_path) as there,
        behind_proxy(there, tmp_path) as (proxied, proxy),
        controlling(proxied, leads) as (reconciler, client),
    ):
        await until(lambda: not reconciler.readiness())
        await proxy.set_fault(Fault(Mode.ERROR, match="/services", verbs=("list",), code=500))
        leads.now = True
        began = asyncio.get_running_loop().time()
        reconciler.on_role(None)
        await until(lambda: client.requests["GET", 500])

        for i in range(5):
            await there.create_service(f"s{i}")
            await idle()

        lasted_s = asyncio.get_running_loop().time() - began
        assert client.requests["GET", 500] <= 1 + lasted_s // TAKE_OVER_RETRY_S


async def test_writes_are_under_way_at_once_and_no_more_than_the_api_server_should_bear(
    tmp_path: Path,
) -> None:
    async with live(tmp_path) as there, behind_proxy(there, tmp_path) as (proxied, proxy):
        await there.create_pool("first", "192.168.4.0/24")
        for i in range(2 * WRITERS):
            await there.create_service(f"s{i}")
        await proxy.set_fault(Fault(Mode.HANG, match="/services/", verbs=("patch",)))
        async with controlling(proxied):
            await until(lambda: patches(proxy) >= WRITERS)
            await idle()

            assert patches(proxy) == WRITERS


def patches(proxy: FaultProxy) -> int:
    """Return how many statuses of Services were asked to be written."""
    found = proxy.counts.requests.items()
    return sum(n for (_, _, verb, what), n in found if verb == "patch" and "services" in what)
