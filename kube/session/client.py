"""The HTTP session under `kube.client`: configuration, TLS, credentials; loads `kubernetes`.

A service account's token, or a kubeconfig's `tokenFile`, is read anew for each request, because
it rotates. All else is read anew after a 401 or a TLS failure, at most every ten seconds: a
certificate that expired and was replaced needs no restart.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import aiohttp
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

LOG = logging.getLogger("kube.session")

CONNECT_TIMEOUT_S = 5.0
RELOAD_INTERVAL_S = 10.0
"Credentials are read anew at most this often, whatever the server answers."
TOKEN_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class CredentialsError(Exception):
    """There is nothing to connect with; the message says what to give."""


class Session:
    """Sends requests with the credentials of the moment."""

    def __init__(
        self, kubeconfig: str | None, *, reload_interval_s: float = RELOAD_INTERVAL_S
    ) -> None:
        self._kubeconfig = kubeconfig
        self._reload_interval_s = reload_interval_s
        self._token_file: Path | None = None
        self._configuration: Any = None
        self._rest: Any = None
        self._retired: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._stale = False
        self._loaded_at = 0.0

    async def open(self) -> None:
        """Read the credentials; raise CredentialsError when there are none."""
        try:
            await self._load()
        except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
            where = self._kubeconfig or "the Pod's service account"
            reason = str(error).rstrip(".")
            raise CredentialsError(
                f"no credentials in {where}: {reason}: name a kubeconfig file by --kubeconfig"
            ) from error

    @staticmethod
    def _look_for(kubeconfig: str) -> None:
        if not Path(kubeconfig).exists():  # the package would log it too
            raise ConfigException("there is no such file")

    async def close(self) -> None:
        """Close all connections."""
        for each in (self._retired, self._rest):
            if each is not None:
                await each.close()

    def distrust(self) -> None:
        """Read the credentials anew before the next request."""
        self._stale = True

    def trust(self) -> None:
        """Take note that the server accepts the credentials."""
        self._stale = False

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: Any = None,
        content: str = "application/json",
    ) -> aiohttp.ClientResponse:
        """Send one request and return the answer, its body still to be read."""
        if self._stale:
            await self._reload()
        assert self._session is not None, "use Client.connect"
        headers = {"Accept": "application/json", "User-Agent": "herald", **await self._auth()}
        if body is not None:
            headers["Content-Type"] = content
        return await self._session.request(
            method,
            self._configuration.host.rstrip("/") + path,
            params=query,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            server_hostname=self._configuration.tls_server_name or None,
        )

    async def _auth(self) -> dict[str, str]:
        if self._token_file is not None:
            return {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}
        settings = await self._configuration.auth_settings()
        return {s["key"]: s["value"] for s in settings.values() if s["in"] == "header"}

    async def _load(self) -> None:
        configuration = Configuration()
        token_file: Path | None = TOKEN_FILE
        if self._kubeconfig is None:
            load_incluster_config(client_configuration=configuration, try_refresh_token=False)
        else:
            self._look_for(self._kubeconfig)
            await load_kube_config(
                config_file=self._kubeconfig,
                client_configuration=configuration,
                persist_config=False,
            )
            token_file = _token_file(Path(self._kubeconfig))
        rest = RESTClientObject(configuration)
        # The session is the package's, with its TLS context, proxy and large read buffer.
        session = rest.pool_manager = rest._create_pool_manager()  # noqa: SLF001
        if not getproxies():
            # Else it asks a thread before each request whether the environment names a proxy.
            session._trust_env = False  # noqa: SLF001
        # What runs on the old session goes on there; it is closed when the next one retires.
        retired, self._retired, self._rest = self._retired, self._rest, rest
        self._session = session
        self._configuration, self._token_file = configuration, token_file
        self._loaded_at = asyncio.get_running_loop().time()
        if retired is not None:
            await retired.close()

    async def _reload(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._loaded_at < self._reload_interval_s:
            return
        self._stale = False
        self._loaded_at = now
        try:
            await self._load()
        except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
            LOG.warning("credentials not readable", extra={"fields": {"error": str(error)}})


def _token_file(kubeconfig: Path) -> Path | None:
    """Return the current user's `tokenFile`, or None."""
    config = yaml.safe_load(kubeconfig.read_text()) or {}
    contexts = {each["name"]: each["context"] for each in config.get("contexts") or ()}
    users = {each["name"]: each.get("user") or {} for each in config.get("users") or ()}
    user = users.get((contexts.get(config.get("current-context")) or {}).get("user")) or {}
    file = user.get("tokenFile")
    return kubeconfig.parent / file if file and "token" not in user else None
