"""A trace of requests, replayed against either control plane; the answers made comparable.

A step is a request, or a watch that reads so many events. `save` keeps an answer under a name, and
`${name.metadata.uid}` in a later step stands for what it said. What differs from run to run (UIDs,
times, versions, allocated addresses and ports) is replaced by a word; of a refusal the code, the
reason and the fields are compared, not the wording of each message.
"""

import argparse
import asyncio
import json
import re
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]

WATCH_LIMIT_S = 40.0
RETRY_S = 0.1
_REFERENCE = re.compile(r"\$\{(\w+)((?:\.\w+)+)\}")
_DROPPED = frozenset({"managedFields", "selfLink"})
_WORDS = {
    "uid": "<uid>",
    "creationTimestamp": "<time>",
    "deletionTimestamp": "<time>",
    "lastTransitionTime": "<time>",
    "resourceVersion": "<version>",
    "clusterIP": "<address>",
    "nodePort": "<port>",
    "healthCheckNodePort": "<port>",
    "continue": "<token>",
}


class ReplayError(Exception):
    """A step that later ones build on was refused."""


async def replay(session: aiohttp.ClientSession, steps: Iterable[Json]) -> list[Json]:
    """Send each step in turn; return the comparable answers, each with its step's name."""
    saved: dict[str, Json] = {}
    answers = []
    for step in steps:
        filled = _fill(step, saved)
        if "watch" in filled:
            answer = await _watch(session, filled)
        else:
            answer = await _request_until(session, filled)
        if "save" in filled:
            if answer["code"] >= 300:
                raise ReplayError(f"{filled['name']}: {answer['body']}")
            saved[filled["save"]] = answer["body"]
        kept = _keep(answer, filled.get("keep"))
        answers.append({"step": filled["name"], **_comparable(kept)})
    return answers


async def _request_until(session: aiohttp.ClientSession, step: Json) -> Json:
    # A new kind is served a moment after its definition: such a step names the code to wait for.
    answer = await _request(session, step)
    for _ in range(step.get("tries", 1) - 1):
        if answer["code"] == step["until"]:
            break
        await asyncio.sleep(RETRY_S)
        answer = await _request(session, step)
    return answer


async def _request(session: aiohttp.ClientSession, step: Json) -> Json:
    method, path = next(
        (m, step[m]) for m in ("get", "post", "put", "patch", "delete") if m in step
    )
    body = json.dumps(step["body"]) if "body" in step else None
    headers = {"Content-Type": step.get("as", "application/json")}
    async with session.request(
        method, path, data=body, headers=headers, params=step.get("query")
    ) as response:
        text = await response.text()
        is_json = "json" in response.headers.get("Content-Type", "")
        return {"code": response.status, "body": json.loads(text) if is_json else text}


async def _watch(session: aiohttp.ClientSession, step: Json) -> Json:
    query = {"watch": "true", "timeoutSeconds": "30"} | step.get("query", {})
    timeout = aiohttp.ClientTimeout(total=WATCH_LIMIT_S)
    async with session.get(step["watch"], params=query, timeout=timeout) as response:
        events = []
        async for line in response.content:
            events.append(json.loads(line))
            if len(events) == step["count"]:
                break
        return {"code": response.status, "body": {"events": events}}


def _fill(value: Any, saved: dict[str, Json]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(each, saved) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, saved) for each in value]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _saved(found, saved), value)
    return value


def _saved(found: re.Match[str], saved: dict[str, Json]) -> str:
    value: Any = saved[found[1]]
    for key in found[2].strip(".").split("."):
        value = value[key]
    return str(value)


def _keep(answer: Json, paths: list[str] | None) -> Json:
    # Controllers add to some objects in their own time: such a step names what it compares.
    if paths is None or answer["code"] >= 300:
        return answer
    kept: Json = {}
    for path in paths:
        value: Any = answer["body"]
        for key in path.split("."):
            if isinstance(value, list):
                value = value[int(key)] if int(key) < len(value) else None
            else:
                value = (value or {}).get(key)
        kept[path] = value
    return {"code": answer["code"], "body": kept}


def _comparable(value: Any) -> Any:
    if isinstance(value, list):
        return [_comparable(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "Status" and value.get("status") == "Failure":
        return _comparable_refusal(value)
    return {
        key: _comparable_field(key.rpartition(".")[2], each)
        for key, each in sorted(value.items())
        if key not in _DROPPED and each is not None
    }


def _comparable_field(key: str, value: Any) -> Any:
    if key == "clusterIPs" and isinstance(value, list):
        return ["v6" if ":" in each else "v4" for each in value]
    if key == "name" and isinstance(value, str):
        # What generateName added is five random characters.
        return re.sub(r"^(generated-)[a-z0-9]{5}$", r"\1<random>", value)
    if key in _WORDS and isinstance(value, (str, int)):
        return value if value in ("None", "") else _WORDS[key]
    return _comparable(value)


def _comparable_refusal(status: Json) -> Json:
    details = status.get("details") or {}
    causes = {(each.get("field"), each.get("reason")) for each in details.get("causes") or ()}
    return {
        "code": status.get("code"),
        "reason": status.get("reason"),
        "kind": details.get("kind"),
        "group": details.get("group"),
        "causes": sorted([list(each) for each in causes], key=str),
    }


async def _replay_with(config: Json, steps: list[Json]) -> list[Json]:
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    tls = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    if "client-certificate" in user:
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(cluster["server"], connector=connector) as session:
        return await replay(session, steps)


def main() -> None:
    """Replay a trace and print the comparable answers, one a line."""
    parser = argparse.ArgumentParser(
        prog="python -m netns_lab.control_plane.replay",
        description="Replay a trace of requests; print the answers in comparable form.",
    )
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("trace", type=Path)
    arguments = parser.parse_args()
    config, steps = (
        yaml.safe_load(file.read_text()) for file in (arguments.kubeconfig, arguments.trace)
    )
    for answer in asyncio.run(_replay_with(config, steps)):
        sys.stdout.write(json.dumps(answer, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
