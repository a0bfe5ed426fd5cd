"""A leader's writes end before its Lease can be another's, and without it none begins."""

from pathlib import Path

import pytest

from controller.leader.client import MARGIN_S, WRITE_TIMEOUT_S, LeaderClient
from kube.api import ApiError, Patch, collection_path, object_path
from kube.objects import ObjectName
from tests.controller.live import NAMESPACE, Leads, live, writes

POOL = object_path("IPAddressPool", ObjectName(NAMESPACE, "first"))


class Ending(Leads):
    """A leadership that is certain for so long, as long as a test looks."""

    def __init__(self, left_s: float, *, leads: bool = True) -> None:
        super().__init__(leads=leads)
        self.left_s = left_s

    def time_left_s(self) -> float:
        return self.left_s


@pytest.mark.parametrize(
    ("left_s", "timeout_s"),
    [
        pytest.param(60.0, WRITE_TIMEOUT_S, id="plenty"),
        pytest.param(2.0, 2.0 - MARGIN_S, id="little"),
        pytest.param(MARGIN_S + 0.125, 0.125, id="hardly any"),
    ],
)
async def test_write_may_take_what_is_left_of_leading_but_the_margin(
    tmp_path: Path, left_s: float, timeout_s: float
) -> None:
    async with live(tmp_path) as there:
        assert LeaderClient(there.client, Ending(left_s))._timeout_s() == timeout_s


@pytest.mark.parametrize(
    "leadership",
    [
        pytest.param(Ending(MARGIN_S), id="too near the end"),
        pytest.param(Ending(-1.0), id="past it"),
        pytest.param(Ending(60.0, leads=False), id="another leads"),
    ],
)
async def test_no_write_is_begun_without_leading(tmp_path: Path, leadership: Ending) -> None:
    async with live(tmp_path) as there:
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        before, leader = writes(there.client), LeaderClient(there.client, leadership)

        with pytest.raises(ApiError, match="leads no more"):
            await leader.patch(POOL, {"spec": {"autoAssign": False}}, Patch.MERGE)
        with pytest.raises(ApiError, match="leads no more"):
            await leader.create(collection_path("IPAddressPool", NAMESPACE), {})

        assert writes(there.client) == before
