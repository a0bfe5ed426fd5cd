"""What every API server must do with a watch of a kind that doesn't change."""

import json
from contextlib import aclosing

from kube.api import collection_path
from kube.client import Client

QUIET = collection_path("BFDProfile", "metallb-system")
WATCH_S = 2


async def watch_of_a_quiet_kind_ends_in_time(client: Client) -> None:
    """It says nothing, or sends bookmarks; its end is the one sign of life there is."""
    version = [page.resource_version async for page in client.list_pages(QUIET)][-1]
    lines = client.watch_lines(
        QUIET, resource_version=version, watch_s=WATCH_S, idle_s=WATCH_S + 10.0
    )
    async with aclosing(lines):
        opened, *said = [line async for line in lines]

    assert opened == b""
    assert {json.loads(line)["type"] for line in said} <= {"BOOKMARK"}
    assert client.requests["WATCH", 0] == 0
