"""Looks through the other nodes' ServiceL2Status after a move, and removes what is left over.

One list for all moves of a moment, some seconds later, when live nodes have removed their own.
"""

import asyncio
import logging
import random

from kube.api import ApiError, collection_path, object_path
from kube.client import Client
from kube.objects import ObjectError
from kube.snapshot import Kind
from kube.written import Written, parse_written
from speaker.brain.state import State
from speaker.brain.statuses.leftovers import selector, standing
from speaker.policy.gates import Protocol
from speaker.seam.mirror import Mirror

LOG = logging.getLogger("speaker.brain.sweep")

DELAY_S = 5.0
SPREAD_S = 5.0
RETRY_S = 60.0
DELETES_PER_S = 20.0
MAX_NODES = 20
"Named in one selector; beyond that all objects are looked at."


class Sweeper:
    """Sweeps when told of a move; `run` lasts until it is cancelled."""

    def __init__(
        self, client: Client, state: State, wire: Mirror, *, delay_s: float = DELAY_S
    ) -> None:
        self._client = client
        self._state = state
        self._wire = wire
        self._delay_s = delay_s
        self._nodes: frozenset[str] | None = frozenset()
        "Nodes that may have left something; None: any."
        self._wake = asyncio.Event()
        self.removed = 0

    def after(self, node: str) -> None:
        """Look soon at what the node left that had an address until now."""
        if self._nodes is not None:
            self._nodes |= {node}
        self._wake.set()

    def everything(self) -> None:
        """Look soon at what anybody left."""
        self._nodes = None
        self._wake.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._delay_s + random.uniform(0, SPREAD_S))
            if not (self._wire.complete and self._state.deciding.started(Protocol.LAYER2)):
                continue
            self._wake.clear()
            nodes, self._nodes = self._nodes, frozenset()
            try:
                await self._sweep(nodes)
            except ApiError as error:
                LOG.info("not swept", extra={"fields": {"error": str(error)}})
                self._nodes = None
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def _sweep(self, nodes: frozenset[str] | None) -> None:
        own = self._state.own
        if nodes is not None and len(nodes) > MAX_NODES:
            nodes = None
        found: list[Written] = []
        pages = self._client.list_pages(
            collection_path(Kind.SERVICE_L2_STATUS, own.namespace),
            label_selector=selector(nodes),
        )
        async for page in pages:
            now = standing(self._state.deciding.view, self._wire)
            readable = (_read(obj) for obj in page.items)
            found += [each for each in readable if each is not None and now.left_over(each)]
        for written in found:
            await self._remove(written)
            await asyncio.sleep(1 / DELETES_PER_S)

    async def _remove(self, written: Written) -> None:
        # Some time has passed: it may be true again.
        if not standing(self._state.deciding.view, self._wire).left_over(written):
            return
        try:
            path = object_path(Kind.SERVICE_L2_STATUS, written.name)
            await self._client.delete(path, uid=written.uid)
        except ApiError as error:
            if not (error.not_found or error.conflict):
                raise
            return
        self.removed += 1
        fields = {"object": str(written.name), "of": written.status.get("node")}
        LOG.info("status of another node removed", extra={"fields": fields})


def _read(obj: dict[str, object]) -> Written | None:
    try:
        return parse_written(obj)
    except ObjectError:
        return None
