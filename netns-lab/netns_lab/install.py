"""Fills a fresh API server: what `manifests/` installs, the Nodes, and Herald's own Pods.

The embedded control plane knows Herald's kinds from the start and asks nobody who he is. On the
real one Herald is installed as on any cluster, by `kubectl apply -k manifests`; its Pods get tokens
of their service accounts, renewed while the lab runs.
"""

import asyncio
import logging
from pathlib import Path

from kube.client import ApiError, Client
from netns_lab.orders import Json, LabError
from netns_lab.plan import LabPlan, Node
from netns_lab.seed import HERALD_NAMESPACE, NAMESPACES, herald_pods, namespace, node_object
from netns_lab.state import StateFolder

MANIFESTS = Path(__file__).parents[2] / "manifests"
ACCOUNTS = ("herald-controller", "herald-speaker")
API_LIMIT_S, API_WAIT_S = 60.0, 0.05
RETRY_LIMIT_S, RETRY_S = 15.0, 0.1
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
        argv = [str(kubectl), f"--kubeconfig={self._state.admin_kubeconfig}"]
        child = await asyncio.create_subprocess_exec(
            *argv,
            "apply",
            "-k",
            str(MANIFESTS),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        _, words = await child.communicate()
        if child.returncode != 0:
            raise LabError(f"kubectl apply -k {MANIFESTS}: {words.decode(errors='replace')}")
        for account in ACCOUNTS:
            await self._renew(account)

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
        await self._client.patch(f"{path}/status", {"status": obj["status"]})
        # Admission taints a new Node until its life cycle controller, which the lab has not,
        # finds it ready.
        await self._client.patch(path, {"spec": {"taints": None}})

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
        """Create an object; again while the server is not ready for it; one that is there is."""
        limit = asyncio.get_running_loop().time() + RETRY_LIMIT_S
        while True:
            try:
                return await self._client.create(path, obj)
            except ApiError as error:
                if error.status == 409:
                    return obj
                # 403: no service account yet; 404: no such kind yet; 5xx: starting.
                late = asyncio.get_running_loop().time() > limit
                if late or error.status not in (0, 403, 404, 429, 500, 503):
                    raise
                LOG.info("%s again: %s", path, error)
                await asyncio.sleep(RETRY_S)
