"""Creates the Secret with the hello key where there is none; never changes one that is there."""

import base64
import logging
import secrets

from controller.leader.client import LeaderClient
from kube.api import ApiError, collection_path, object_path
from kube.objects import ObjectName

LOG = logging.getLogger("controller.hello_key")

HELLO_SECRET = "herald-hello"
KEY_BYTES = 32


async def ensure_hello_key(leader: LeaderClient, namespace: str) -> None:
    """Create the Secret if it does not exist; what goes wrong is logged and tried at next start."""
    name = ObjectName(namespace, HELLO_SECRET)
    try:
        if not await _exists(leader, name):
            key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name.name, "namespace": name.namespace},
                "type": "Opaque",
                "data": {"key-1": key},
            }
            await leader.create(collection_path("Secret", namespace), body)
            LOG.info("hello key created", extra={"fields": {"secret": str(name)}})
    except ApiError as error:
        if not error.conflict:
            LOG.warning("hello key not created", extra={"fields": {"error": str(error)}})


async def _exists(leader: LeaderClient, name: ObjectName) -> bool:
    try:
        await leader.get(object_path("Secret", name))
    except ApiError as error:
        if error.not_found:
            return False
        raise
    return True
