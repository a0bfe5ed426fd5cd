"""Keeps the webhook's certificate good and trusted: Secret, caBundle, and what is served.

Every replica does, so that a webhook answers also where none leads. Two that renew at once meet at
the Secret's resourceVersion, and the slower one takes what the other made. A certificate is served
only once the API server has been told to trust it. Looking is all that happens in steady state.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from controller.admission.certificate import Flaw, Keys, Material, inspect, issue
from controller.admission.trust import (
    CONFIGURATION,
    SECRET,
    bundle_patch,
    host_of,
    secret_object,
)
from kube.api import ApiError, Patch, collection_path, object_path
from kube.client import Client
from kube.objects import ObjectError, ObjectName
from kube.parsing import parse_secret

LOG = logging.getLogger("controller.admission")

LOOK_S = 10.0
"""Within that a replica serves what another has renewed, and mends what somebody has changed."""
RETRY_S = 1.0
RETRY_MAX_S = 30.0


class CertificateKeeper:
    """Keeps one Secret and one ValidatingWebhookConfiguration; `serve` gets what is good."""

    def __init__(self, client: Client, namespace: str, serve: Callable[[Material], None]) -> None:
        self._client = client
        self._secret = ObjectName(namespace, SECRET)
        self._host = host_of(namespace)
        self._serve = serve
        self._served: Material | None = None
        self._complaint = ""

    @property
    def expires(self) -> datetime | None:
        """When what is served runs out; None while nothing is."""
        return self._served.expires if self._served else None

    async def run(self) -> None:
        """Look and mend until cancelled."""
        retry_s = RETRY_S
        while True:
            try:
                done = await self._keep()
            except (ApiError, ObjectError) as error:
                self._complain(str(error))
                done = False
            if done:
                self._complain("")
                retry_s = RETRY_S
                # Replicas that started together should not ask together for ever.
                await asyncio.sleep(LOOK_S * random.uniform(0.8, 1.2))
            else:
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, RETRY_MAX_S)

    async def _keep(self) -> bool:
        """Look once; return whether all is as it should be."""
        content, version = await self._read()
        material, flaw = inspect(content, self._host, _now())
        renewed = None if flaw is None else await self._renew(material, flaw, version)
        material = renewed or material
        if material is None:
            return False
        await self._trust(material)
        if material != self._served:
            self._serve(material)
            self._served = material
            LOG.info("certificate", extra={"fields": {"expires": str(material.expires)}})
        return flaw is None or renewed is not None

    async def _read(self) -> tuple[Mapping[str, bytes], str]:
        try:
            obj = await self._client.get(object_path("Secret", self._secret))
        except ApiError as error:
            if error.not_found:
                return {}, ""
            raise
        # Of a Secret that somebody filled with something else, only the version matters.
        version = str(obj["metadata"].get("resourceVersion") or "")
        try:
            return parse_secret(obj).data, version
        except ObjectError:
            return {}, version

    async def _renew(self, before: Material | None, flaw: Flaw, version: str) -> Material | None:
        """Return a new certificate once it is in the Secret, None when it can't be put there."""
        made = issue(self._host, _keys(), _now(), before)
        body = secret_object(self._secret, made.secret(), version)
        try:
            if version:
                await self._client.replace(object_path("Secret", self._secret), body)
            else:
                path = collection_path("Secret", self._secret.namespace)
                await self._client.create(path, body)
        except ApiError as error:
            if not error.conflict:
                self._complain(str(error))
            return None
        LOG.info("certificate renewed", extra={"fields": {"because": flaw.value}})
        return made

    async def _trust(self, material: Material) -> None:
        path = object_path("ValidatingWebhookConfiguration", ObjectName("", CONFIGURATION))
        try:
            patch = bundle_patch(await self._client.get(path), material.authorities)
        except ApiError as error:
            if error.not_found:
                # Taken away on purpose: nobody asks, and nobody must be told.
                return
            raise
        if patch is not None:
            await self._client.patch(path, patch, Patch.STRATEGIC)
            LOG.info("webhook trusted", extra={"fields": {"configuration": CONFIGURATION}})

    def _complain(self, text: str) -> None:
        if text and text != self._complaint:
            LOG.warning("webhook certificate", extra={"fields": {"error": text}})
        self._complaint = text


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- certificates carry the wall clock


def _keys() -> Keys:
    keys = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    return Keys(*keys, (x509.random_serial_number(), x509.random_serial_number()))
