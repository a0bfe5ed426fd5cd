"""From a request to its answer: paths, verbs, subresources.

Pure but for what `Api` was given: an answer is bytes with a status code, or a `Watch` to stream.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from netns_lab.control_plane.api import Api, Options
from netns_lab.control_plane.discovery import discovery_document
from netns_lab.control_plane.listing import Watch, list_page, view
from netns_lab.control_plane.paths import Request, Target, parse_selection, parse_target
from netns_lab.control_plane.problems import (
    StatusError,
    UnknownPathError,
    bad_request,
    conflict,
    method_not_allowed,
)
from netns_lab.control_plane.resources import ResourceType
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import Record, encode
from netns_lab.control_plane.tables import encode_table, wants_table


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is complete."""

    code: int
    body: bytes
    media_type: str = "application/json"


NOT_FOUND = Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


def answer(api: Api, request: Request, wake: Callable[[], None]) -> Response | Watch:
    """Return the answer; `wake` is called when a watch has something to send."""
    try:
        if request.method == "GET":
            document = discovery_document(request.path, request.accept, api.registry)
            if document is not None:
                return Response(200, *document)
        target = parse_target(request.path, api.registry)
        return _dispatch(api, target, request, wake)
    except UnknownPathError:
        return NOT_FOUND
    except StatusError as problem:
        return Response(problem.code, encode(problem.status()))


def _dispatch(
    api: Api, target: Target, request: Request, wake: Callable[[], None]
) -> Response | Watch:
    if request.method == "GET" and (request.flag("watch") or not target.name):
        if request.flag("watch"):
            return Watch(api.store, target, request, wake)
        return Response(200, list_page(api.store, target, request, api.source.now()))
    if target.subresource == "scale":
        return _scale(api, target, request)
    if target.subresource == "binding":
        return _bind(api, target, request)
    verbs: dict[tuple[str, bool], Callable[[Api, Target, Request], Response]] = {
        ("GET", True): _get,
        ("POST", False): _create,
        ("PUT", True): _replace,
        ("PATCH", True): _patch,
        ("DELETE", True): _delete,
        ("DELETE", False): _delete_collection,
    }
    verb = verbs.get((request.method, bool(target.name)))
    if verb is None:
        raise method_not_allowed()
    return verb(api, target, request)


def _get(api: Api, target: Target, request: Request) -> Response:
    record = api.get(target.kind, target.key)
    if wants_table(request.accept):
        meta = {"resourceVersion": str(record.revision)}
        return Response(200, encode_table(target.kind, meta, [record], api.source.now()))
    return _one(200, target.kind, record)


def _create(api: Api, target: Target, request: Request) -> Response:
    if target.kind.namespaced and not target.namespace:
        raise method_not_allowed()
    record = api.create(target.kind, target.namespace, request.decoded(), _options(request))
    return _one(201, target.kind, record)


def _replace(api: Api, target: Target, request: Request) -> Response:
    record = api.update(
        target.kind, target.key, request.decoded(), target.subresource, _options(request)
    )
    return _one(200, target.kind, record)


def _patch(api: Api, target: Target, request: Request) -> Response:
    record, created = api.patch(
        target.kind,
        target.key,
        request.media_type,
        request.decoded_any(),
        target.subresource,
        _options(request),
    )
    return _one(201 if created else 200, target.kind, record)


def _delete(api: Api, target: Target, request: Request) -> Response:
    options = _delete_options(request)
    record = api.delete(target.kind, target.key, options)
    kind = target.kind
    still_there = api.store.get(kind.storage, target.key) is not None
    if still_there or kind.kind in ("Pod", "Service", "ServiceAccount"):
        return _one(200, kind, record)
    group = {"group": kind.group} if kind.group else {}
    meta = record.obj["metadata"]
    details = {"name": meta["name"], **group, "kind": kind.plural, "uid": meta["uid"]}
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Response(200, encode(success | {"details": details}))


def _delete_collection(api: Api, target: Target, request: Request) -> Response:
    if target.kind.namespaced and not target.namespace:
        raise method_not_allowed()
    selection = parse_selection(target, request.query)
    options = _delete_options(request)
    for record in tuple(api.store.table(target.kind.storage).ordered()):
        if selection.matches(record.obj):
            api.delete(target.kind, record.key, dict(options))
    kind = target.kind
    meta = {"resourceVersion": str(api.store.revision)}
    body = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta}
    return Response(200, encode(body | {"items": []}))


def _scale(api: Api, target: Target, request: Request) -> Response:
    record = api.get(target.kind, target.key)
    if request.method in ("PUT", "PATCH"):
        wanted = request.decoded()
    elif request.method == "GET":
        return Response(200, encode(_scale_of(record)))
    else:
        raise method_not_allowed()
    given = (wanted.get("metadata") or {}).get("resourceVersion")
    if given and given != str(record.revision):
        raise conflict(target.kind, target.name)
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    obj = json.loads(record.encoded)
    obj["spec"]["replicas"] = replicas
    record = api.update(target.kind, target.key, obj, "", _options(request))
    return Response(200, encode(_scale_of(record)))


def _scale_of(record: Record) -> Json:
    obj, meta = record.obj, record.obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept},
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def _bind(api: Api, target: Target, request: Request) -> Response:
    if request.method != "POST":
        raise method_not_allowed()
    node = (request.decoded().get("target") or {}).get("name")
    pod = json.loads(api.get(target.kind, target.key).encoded)
    if pod["spec"].get("nodeName"):
        raise conflict(target.kind, target.name, f"pod {target.name} is already assigned to a node")
    pod["spec"]["nodeName"] = node
    api.update(target.kind, target.key, pod)
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Response(201, encode(success | {"code": 201}))


def _one(code: int, kind: ResourceType, record: Record) -> Response:
    return Response(code, view(kind, record))


def _options(request: Request) -> Options:
    dry_run = request.query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise bad_request(f"dryRun: Unsupported value: {dry_run!r}")
    return Options(
        dry_run=bool(dry_run),
        manager=request.query.get("fieldManager", ""),
        strict=request.query.get("fieldValidation") == "Strict",
    )


def _delete_options(request: Request) -> Json:
    options = request.decoded() if request.body.strip() else {}
    grace = request.number("gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if request.query.get("dryRun"):
        options["dryRun"] = ["All"]
    if request.query.get("propagationPolicy"):
        options["propagationPolicy"] = request.query["propagationPolicy"]
    return options
