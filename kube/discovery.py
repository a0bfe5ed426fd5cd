"""Whether a custom resource is there to stay, read from the API's discovery document.

When a CRD is deleted, the API server first deletes each of its objects, which looks like so many
deletions by the user. While it does so, discovery names the kind without the verb `create`; then
the kind is gone from it. Every account may read discovery, so no role is needed.
"""

from kube.api import ApiResource
from kube.objects import Json

CONFIRM_S = 0.3
"Discovery follows the CRD by some milliseconds, so deletions wait that long to be believed."


def is_here_to_stay(document: Json, resource: ApiResource) -> bool:
    """Tell whether new objects of the resource could be created."""
    entries = document.get("resources")
    if not isinstance(entries, list):
        return False
    return any(
        isinstance(each, dict)
        and each.get("name") == resource.plural
        and "create" in (each.get("verbs") or ())
        for each in entries
    )
