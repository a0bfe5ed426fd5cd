"""The API's errors: a `Status` object with the reason, message and details of the real server."""

from collections.abc import Sequence
from typing import Any

from netns_lab.control_plane.causes import Cause, invalid_value
from netns_lab.control_plane.resources import ResourceType


class StatusError(Exception):
    """A request that the API refuses; becomes the answer's `Status`."""

    def __init__(
        self, code: int, reason: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return the `Status` object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        return status | {"code": self.code}


class UnknownPathError(Exception):
    """Nothing is served there: 404 in plain text, without a Status."""


def _details(kind: ResourceType, name: str) -> dict[str, Any]:
    group = {"group": kind.group} if kind.group else {}
    return {"name": name, **group, "kind": kind.plural}


def not_found(kind: ResourceType, name: str) -> StatusError:
    """Return the error for a name that no object has."""
    message = f'{kind.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(kind, name))


def already_exists(kind: ResourceType, name: str) -> StatusError:
    """Return the error for creating what is there already."""
    message = f'{kind.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(kind, name))


CHANGED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(kind: ResourceType, name: str, detail: str = CHANGED) -> StatusError:
    """Return the error for a write against an old version of the object."""
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {detail}'
    return StatusError(409, "Conflict", message, _details(kind, name))


def unversioned(kind: ResourceType, name: str) -> StatusError:
    """Return the error for a replacement without resourceVersion where one is needed."""
    cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
    error = invalid(kind, name, [cause])
    # The real server names the resource here, where other refusals name the kind.
    error.details = (error.details or {}) | {"kind": kind.plural}
    return error


def invalid(kind: ResourceType, name: str, causes: Sequence[Cause]) -> StatusError:
    """Return the error for an object that breaks its schema or its kind's rules."""
    errors = [f"{cause.field}: {cause.message}" for cause in causes]
    text = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    group = f".{kind.group}" if kind.group else ""
    details: dict[str, Any] = {"name": name}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.kind
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return StatusError(422, "Invalid", f'{kind.kind}{group} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> StatusError:
    """Return the error for a request that can't be understood."""
    return StatusError(400, "BadRequest", message)


def undecodable(kind: ResourceType, faults: Sequence[str]) -> StatusError:
    """Return the error for an object that doesn't fit the types of its kind."""
    return bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}:'
        f" {', '.join(faults)}"
    )


def forbidden(kind: ResourceType, name: str, why: str) -> StatusError:
    """Return the error for a request that is understood and refused."""
    message = f'{kind.qualified} "{name}" is forbidden: {why}'
    return StatusError(403, "Forbidden", message, _details(kind, name))


def expired(asked: int, oldest: int) -> StatusError:
    """Return the error for a resourceVersion from before the history that is kept."""
    return StatusError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def method_not_allowed() -> StatusError:
    """Return the error for a verb that the path doesn't have."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(given: str, allowed: Sequence[str]) -> StatusError:
    """Return the error for a body in a format that isn't taken."""
    message = (
        "the body of the request was in an unknown format - "
        f"accepted media types include: {', '.join(allowed)}"
    )
    return StatusError(415, "UnsupportedMediaType", message if given else "no content type")
