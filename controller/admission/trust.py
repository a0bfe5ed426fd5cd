"""The Secret with the certificate, and the caBundle by which the API server trusts it. Pure."""

import base64
from collections.abc import Mapping
from typing import Any

from kube.objects import Json, ObjectName

SECRET = "herald-webhook-cert"
CONFIGURATION = "herald-webhook"
"""The ValidatingWebhookConfiguration; the Service has this name too."""


def host_of(namespace: str) -> str:
    """Return the name under which the API server calls the webhook's Service."""
    return f"{CONFIGURATION}.{namespace}.svc"


def secret_object(name: ObjectName, content: Mapping[str, bytes], version: str = "") -> Json:
    """Return the Secret to create, or with the version of the one it replaces."""
    metadata = {"name": name.name, "namespace": name.namespace}
    if version:
        metadata["resourceVersion"] = version
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
    }


def bundle_patch(configuration: Json, authorities: bytes) -> Json | None:
    """Return the strategic merge patch that makes all webhooks trust these; None if they do."""
    wanted = base64.b64encode(authorities).decode()
    untrusting = [
        webhook["name"]
        for webhook in configuration.get("webhooks") or ()
        if _bundle(webhook) != wanted
    ]
    if not untrusting:
        return None
    webhooks = [{"name": name, "clientConfig": {"caBundle": wanted}} for name in untrusting]
    return {"webhooks": webhooks}


def _bundle(webhook: Mapping[str, Any]) -> str:
    return str((webhook.get("clientConfig") or {}).get("caBundle") or "")
