"""Fills a fresh API server: what `manifests/` installs, the Nodes, and Herald's own Pods.

The embedded control plane knows Herald's kinds from the start and asks nobody who he is. On the
real one Herald is installed as on any cluster, by `kubectl apply -k manifests`; its Pods get tokens
of their service accounts, renewed while the lab runs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from kube.client import ApiError, Client
from netns_lab.orders import Json, LabError
from netns_lab.plan import LabPlan, Node
from netns_lab.seed import HERALD_NAMESPACE, NAMESPACES, herald_pods, namespace, node_object
from netns_lab.state import StateFolder

MANIFESTS = Path(__file__).parents[2] / "manifests"
ACCOUNTS = ("herald-controller", "herald-speaker")
API_LIMIT_S, API_WAIT_S = 240.0, 0.05
RETRY_LIMIT_S, RETRY_S = 60.0, 0.1
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TOKEN_S, RENEW_S = 3600, 1800.0

LOG = logging.getLogger("netns_lab.install")


class Installer:
    """Makes what the lab's API server must hold."""

    def __init__(self, plan: LabPlan, state: StateFolder, client: Client) -> None:
        self._plan = plan
        self._state = state
        self._client = client

    async def wait_for_api(self) -> None:
        """Return when the API server answers; TimeoutError after `API_LIMIT_S`."""
        async with asyncio.timeout(API_LIMIT_S):
            while True:
                try:
                    await self._client.get("/version")
                except ApiError:
                    await asyncio.sleep(API_WAIT_S)
                else:
                    return

    async def install_herald(self, kubectl: Path) -> None:
        """Install Herald as on any cluster, and write its accounts' first tokens."""
        limit = asyncio.get_running_loop().time() + RETRY_LIMIT_S
        # What is there already is left as it is. A server that has just started refuses some.
        while words := await self._apply_manifests(kubectl):
            if asyncio.get_running_loop().time() > limit:
                raise LabError(f"kubectl apply -k {MANIFESTS}: {words}")
            LOG.info("kubectl apply again: %s", words)
            await asyncio.sleep(RETRY_S)
        for account in ACCOUNTS:
            await self._renew(account)
        await self._until_served()

    async def _apply_manifests(self, kubectl: Path) -> str:
        """Return what kubectl says against them, empty when all of them are there."""
        child = await asyncio.create_subprocess_exec(
            *(str(kubectl), *self._state.kubectl_options, "apply", "-k", str(MANIFESTS)),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        _, words = await child.communicate()
        said = words.decode(errors="replace").strip()
        return (said or "no words") if child.returncode else ""

    async def _until_served(self) -> None:
        """Return once each kind of Herald's can be listed: some time after it was defined."""
        limit = asyncio.get_running_loop().time() + RETRY_LIMIT_S
        definitions = await self._insist(DEFINITIONS, lambda: self._client.get(DEFINITIONS))
        for path in [each for obj in definitions["items"] for each in _collections(obj)]:
            while not await self._lists(path):
                if asyncio.get_running_loop().time() > limit:
                    raise LabError(f"the API server does not serve {path}")
                await asyncio.sleep(RETRY_S)

    async def _lists(self, path: str) -> bool:
        try:
            await self._client.get(path)
        except ApiError as error:
            LOG.info("%s again: %s", path, error)
            return False
        return True

    async def keep_tokens(self) -> None:
        """Renew the tokens for ever."""
        while True:
            await asyncio.sleep(RENEW_S)
            for account in ACCOUNTS:
                await self._renew(account)

    async def seed(self) -> None:
        """Create namespaces and Nodes."""
        for name in NAMESPACES:
            await self._create("/api/v1/namespaces", namespace(name))
        for node in self._plan.nodes:
            await self._create_node(node)

    async def seed_herald(self) -> None:
        """Create Pods that stand for the daemons which the supervisor runs by itself."""
        for pod in herald_pods(self._plan):
            await self._create(f"/api/v1/namespaces/{HERALD_NAMESPACE}/pods", pod)

    async def _create_node(self, node: Node) -> None:
        obj = node_object(node)
        await self._create("/api/v1/nodes", obj)
        path = f"/api/v1/nodes/{node.name}"
        await self._patch(f"{path}/status", {"status": obj["status"]})
        # Admission taints a new Node until its life cycle controller, which the lab has not,
        # finds it ready.
        await self._patch(path, {"spec": {"taints": None}})

    async def _renew(self, account: str) -> None:
        path = f"/api/v1/namespaces/{HERALD_NAMESPACE}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_S},
        }
        answer = await self._create(path, body)
        self._state.write_token(account, answer["status"]["token"])

    async def _create(self, path: str, obj: Json) -> Json:
        """Create an object; one that is there is."""
        try:
            return await self._insist(path, lambda: self._client.create(path, obj))
        except ApiError as error:
            if error.status == 409:
                return obj
            raise

    async def _patch(self, path: str, body: Json) -> None:
        await self._insist(path, lambda: self._client.patch(path, body))

    async def _insist(self, path: str, ask: Callable[[], Awaitable[Json]]) -> Json:
        """Return the answer to a request, made again while the server is not ready for it."""
        limit = asyncio.get_running_loop().time() + RETRY_LIMIT_S
        while True:
            try:
                return await ask()
            except ApiError as error:
                # 403: no service account yet; 404: no such kind yet; 5xx: starting.
                late = asyncio.get_running_loop().time() > limit
                if late or error.status not in (0, 403, 404, 429, 500, 503, 504):
                    raise
                LOG.info("%s again: %s", path, error)
                await asyncio.sleep(RETRY_S)


def _collections(definition: Json) -> list[str]:
    """Return the paths of a kind's collections in Herald's namespace, one a version."""
    spec = definition["spec"]
    versions = [each["name"] for each in spec["versions"] if each["served"]]
    return [
        f"/apis/{spec['group']}/{version}/namespaces/{HERALD_NAMESPACE}/{spec['names']['plural']}"
        for version in versions
    ]
