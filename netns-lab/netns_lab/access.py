"""How a blocking client reaches the lab's API server: read from a kubeconfig file.

Only what the lab's own files hold is understood: a server, a certificate authority, and a client
certificate or nothing.
"""

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

LIMIT_S = 30.0
BUSY = 429
BUSY_S, BUSY_WAIT_S = 20.0, 0.2
"""How long a server that is not ready for a request is asked again, as its clients do."""


@dataclass(frozen=True, slots=True)
class Access:
    """An API server and who we are to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, kubeconfig: Path) -> "Access":
        """Return what the file says."""
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        where = urlsplit(cluster["server"])
        tls = None
        if where.scheme == "https":
            tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
            tls.load_cert_chain(user["client-certificate"], user["client-key"])
        assert where.hostname is not None
        return cls(where.hostname, where.port or 443, tls)

    def request(self, method: str, path: str, body: Any, kind: str) -> tuple[int, bytes]:
        """Return status and body; raise OSError or HTTPException when nobody answers.

        429 is no answer: nothing was done, and the server wants to be asked again. It says so of a
        kind whose definition has just come or changed, until its cache is filled.
        """
        limit = time.monotonic() + BUSY_S
        while True:
            status, text = self._once(method, path, body, kind)
            if status != BUSY or time.monotonic() > limit:
                return status, text
            time.sleep(BUSY_WAIT_S)

    def _once(self, method: str, path: str, body: Any, kind: str) -> tuple[int, bytes]:
        connection = (
            http.client.HTTPConnection(self.host, self.port, timeout=LIMIT_S)
            if self.tls is None
            else http.client.HTTPSConnection(
                self.host, self.port, timeout=LIMIT_S, context=self.tls
            )
        )
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": kind})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
