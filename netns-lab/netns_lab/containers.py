"""Herald's own Pods as processes: what each container of a Pod means on a machine of the lab.

Pure. Commands, arguments, environment, volumes, capabilities and probes are taken from the Pod, so
that what `manifests/` says is what runs. Not taken: the image (Herald's programs are those of this
virtual environment), the user (an interpreter under /root is not everybody's to run, so a user
other than root is root without any capability), limits, and the read-only root. A volume is a
folder of the lab, and a mount is its path put in the place of the mount's in the arguments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netns_lab.images import repository
from netns_lab.orders import Json

IMAGE = "herald"
SPEAKER, CONTROLLER = "herald-speaker", "herald-controller"


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP probe."""

    address: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Container:
    """One process to run."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    capabilities: frozenset[str] | None
    "None: all, as without a security context."
    ready: Probe | None
    "None: ready as soon as it runs."

    def command(self, scripts: Path) -> tuple[str, ...]:
        """Return the command line, with Herald's programs found in the folder `scripts`."""
        program, *rest = self.argv
        found = str(scripts / program) if program in (SPEAKER, CONTROLLER) else program
        if self.capabilities is None:
            return (found, *rest)
        kept = "".join(f",+{name.lower()}" for name in sorted(self.capabilities))
        limits = ("setpriv", "--inh-caps=-all", f"--bounding-set=-all{kept}")
        return (*limits, "--", found, *rest)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Pod gets from where it runs."""

    node: str
    address: str
    "The Pod's own, or the node's on the host's network."
    pod_folder: Path
    "For volumes that live as long as the Pod."
    host_folder: Path
    "In place of the node's root, for volumes of the host."
    kubeconfig: Path
    "Of the Pod's service account; only for containers that have its token."


def is_herald(pod: Json) -> bool:
    """Whether the Pod runs Herald."""
    containers = pod.get("spec", {}).get("containers") or ()
    return any(repository(each.get("image") or "") == IMAGE for each in containers)


def containers_of(pod: Json, where: Surroundings) -> tuple[Container, ...]:
    """Return the processes of a Pod of Herald's."""
    spec = pod["spec"]
    folders = dict(_folders(spec, where))
    return tuple(_container(pod, each, folders, where) for each in spec["containers"])


def folders_of(pod: Json, where: Surroundings) -> tuple[Path, ...]:
    """Return the folders that must be there before the Pod starts."""
    return tuple(path for _, path in _folders(pod["spec"], where))


def _folders(spec: Json, where: Surroundings) -> Iterator[tuple[str, Path]]:
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield volume["name"], where.host_folder / volume["hostPath"]["path"].lstrip("/")
        elif "emptyDir" in volume:
            yield volume["name"], where.pod_folder / volume["name"]


def _container(
    pod: Json, each: Json, folders: Mapping[str, Path], where: Surroundings
) -> Container:
    mounts = {
        mount["mountPath"]: str(folders[mount["name"]])
        for mount in each.get("volumeMounts") or ()
        if mount["name"] in folders
    }
    env = {item["name"]: _value(item, pod, where) for item in each.get("env") or ()}
    if _has_token(pod["spec"], each):
        env["HERALD_KUBECONFIG"] = str(where.kubeconfig)
    argv = (*(each.get("command") or ()), *(each.get("args") or ()))
    return Container(
        name=each["name"],
        argv=tuple(_in_place(word, mounts) for word in argv),
        env=env,
        capabilities=_capabilities(each),
        ready=_probe(each, where.address),
    )


def _value(item: Json, pod: Json, where: Surroundings) -> str:
    if "value" in item:
        return str(item["value"])
    path = item["valueFrom"]["fieldRef"]["fieldPath"]
    fields: dict[str, str] = {
        "spec.nodeName": where.node,
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "status.podIP": where.address,
        "status.hostIP": where.address,
    }
    return fields[str(path)]


def _has_token(spec: Json, container: Json) -> bool:
    if spec.get("automountServiceAccountToken") is not False:
        return True
    projected = {
        volume["name"]
        for volume in spec.get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if "serviceAccountToken" in source
    }
    return any(mount["name"] in projected for mount in container.get("volumeMounts") or ())


def _in_place(word: str, mounts: Mapping[str, str]) -> str:
    """Return an argument such as `--socket-dir=/run/herald` with the mount's folder in place."""
    flag, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    for mount in sorted(mounts, key=len, reverse=True):
        if path == mount or path.startswith(f"{mount}/"):
            return f"{flag}{equals}{mounts[mount]}{path.removeprefix(mount)}"
    return word


def _capabilities(container: Json) -> frozenset[str] | None:
    context: dict[str, Any] = container.get("securityContext") or {}
    given = context.get("capabilities") or {}
    if "ALL" not in (given.get("drop") or ()):
        return None
    return frozenset(name.removeprefix("CAP_") for name in given.get("add") or ())


def _probe(container: Json, address: str) -> Probe | None:
    asked = (container.get("readinessProbe") or {}).get("httpGet")
    if asked is None:
        return None
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports") or ()}
    port = ports.get(asked["port"], asked["port"])
    return Probe(asked.get("host") or address, int(port), asked.get("path") or "/")
