"""Who this speaker is on the segment: the cluster's id and the keys of the hello."""

from kube.objects import ObjectName, Secret
from kube.snapshot import Snapshot
from speaker.policy.view import Self
from speaker.seam.messages import HelloKey, Identity

SECRET = "herald-hello"
CLUSTER_NAMESPACE = "kube-system"
"Its UID is the cluster's id: it lives as long as the cluster."
KEY_PREFIX = "key-"
KEY_SIZE = 32
KEY_ID_LIMIT = 65535


def identity(own: Self, snapshot: Snapshot) -> Identity | str:
    """Return who we are, or a sentence that says what is missing for it."""
    cluster = snapshot.namespaces.get(CLUSTER_NAMESPACE)
    if cluster is None or not cluster.uid:
        return f"Namespace {CLUSTER_NAMESPACE} is not known: its UID is the cluster's id"
    name = ObjectName(own.namespace, SECRET)
    secret = snapshot.secrets.get(name)
    if secret is None:
        return f"Secret {name} is not there: the controller makes it, so start the controller"
    keys = hello_keys(secret)
    if not keys:
        return f"Secret {name}: data: no key-N of {KEY_SIZE} bytes: delete it to get a new one"
    return Identity(own.node, cluster.uid, keys)


def hello_keys(secret: Secret) -> tuple[HelloKey, ...]:
    """Return the usable keys by id."""
    found = []
    for entry, value in secret.data.items():
        number = entry.removeprefix(KEY_PREFIX)
        usable = entry.startswith(KEY_PREFIX) and number.isascii() and number.isdigit()
        if usable and 1 <= int(number) <= KEY_ID_LIMIT and len(value) == KEY_SIZE:
            found.append(HelloKey(int(number), value.hex()))
    return tuple(sorted(found, key=lambda key: key.id))
