"""The manifests: what they start exists, privileges are apart, names lead somewhere."""

import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from controller.admission.review import KINDS
from controller.admission.trust import CONFIGURATION, host_of
from controller.admission.webhook import PATH, gauge_expiry
from controller.metrics import AllocatorCollector, Reading
from controller.planner import Planner
from kube.api import RESOURCES
from tests.speaker.brain.readings import families

ROOT = Path(__file__).parent.parent
MANIFESTS = ROOT / "manifests"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SECRETS_WITH_BEARERS = "/var/run/secrets/kubernetes.io/serviceaccount"


def objects(*paths: str) -> list[dict[str, Any]]:
    return [obj for path in paths for obj in documents((MANIFESTS / path).read_text())]


def documents(text: str) -> list[dict[str, Any]]:
    return list(
        yaml.load_all(text, Loader=yaml.CSafeLoader)
    )  # the one in Python takes 10 times as long


def one(kind: str, *paths: str) -> dict[str, Any]:
    (found,) = (obj for obj in objects(*paths) if obj["kind"] == kind)
    return found


def pod(path: str) -> dict[str, Any]:
    (workload,) = (o for o in objects(path) if o["kind"] in {"Deployment", "DaemonSet"})
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


SPEAKER = pod("base/speaker.yaml")
CONTAINERS = {
    "controller": pod("base/controller.yaml")["containers"][0],
    "bgp": pod("components/bgp/speaker.yaml")["containers"][0],
    **{each["name"]: each for each in SPEAKER["containers"]},
}


PORTS = {"controller": 17473, "brain": 17473, "wire": 17474, "bgp": 17475}


def daemon(container: str) -> Any:
    package = "controller" if container == "controller" else f"speaker.{container}"
    return importlib.import_module(f"{package}.main")


@pytest.mark.parametrize("name", CONTAINERS)
def test_program_and_flags_of_a_container_exist(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    container = CONTAINERS[name]
    assert container["command"][0] in PROJECT["scripts"]
    with pytest.raises(SystemExit):
        daemon(name).main(["--help"])
    help_ = capsys.readouterr().out
    for flag in container.get("args", []):
        assert flag.partition("=")[0] in help_
    for variable in (each["name"] for each in container["env"]):
        assert "--" + variable.removeprefix("HERALD_").lower().replace("_", "-") in help_


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_have_nothing_they_dont_need(name: str) -> None:
    security = CONTAINERS[name]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"]["drop"] == ["ALL"]
    added = security["capabilities"].get("add", [])
    assert added == (["NET_RAW"] if name == "wire" else [])


def test_token_is_in_brain_alone() -> None:
    assert SPEAKER["automountServiceAccountToken"] is False
    mounts = {
        each["name"]: {mount["mountPath"] for mount in each["volumeMounts"]}
        for each in (*SPEAKER["containers"], *SPEAKER["initContainers"], CONTAINERS["bgp"])
    }
    assert [name for name, paths in mounts.items() if SECRETS_WITH_BEARERS in paths] == ["brain"]


def test_speakers_declare_no_ports() -> None:
    """With the host's network they would be taken on the host."""
    assert all("ports" not in CONTAINERS[name] for name in ("wire", "brain", "bgp"))


@pytest.mark.parametrize("name", CONTAINERS)
def test_probes_ask_where_the_process_listens(name: str) -> None:
    container = CONTAINERS[name]
    assert str(PORTS[name]) in inspect.getsource(daemon(name))
    for kind, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        get = container[kind]["httpGet"]
        assert get["path"] == path
        ports = {each["name"]: each["containerPort"] for each in container.get("ports", [])}
        assert ports.get(get["port"], get["port"]) == PORTS[name]
        assert (get.get("host") == "127.0.0.1") is (name != "controller")


def test_hand_over_ends_before_the_kubelet_kills() -> None:
    grace = next(a for a in CONTAINERS["wire"]["args"] if a.startswith("--grace-s="))
    bgp_wait = next(a for a in CONTAINERS["bgp"]["args"] if a.startswith("--bgp-wait-s="))
    longest = max(float(grace.partition("=")[2]), float(bgp_wait.partition("=")[2]) + 1)
    assert SPEAKER["terminationGracePeriodSeconds"] >= longest + 5


def test_folder_that_cannot_be_prepared_does_not_keep_the_speaker_from_starting(
    tmp_path: Path,
) -> None:
    (preparing,) = SPEAKER["initContainers"]
    program, flag, script = preparing["command"]
    assert program == "python"
    there = script.replace("/state", str(tmp_path / "none"))
    done = subprocess.run([sys.executable, flag, there], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no last good intent can be kept: ")


def test_image_is_this_version() -> None:
    every = [*CONTAINERS.values(), *SPEAKER["initContainers"]]
    assert {each["image"] for each in every} == {f"herald:{PROJECT['version']}"}


def test_roles_name_what_the_api_has() -> None:
    known = {resource.plural: resource.group for resource in RESOURCES.values()}
    paths = [f"base/{name}-rbac.yaml" for name in ("controller", "speaker", "viewer")]
    for obj in objects(*paths):
        for rule in obj.get("rules", []):
            for resource in rule["resources"]:
                assert "*" not in rule["verbs"]
                assert rule["apiGroups"] == [known[resource.partition("/")[0]]], resource


def test_role_bindings_lead_to_roles_and_accounts() -> None:
    for path in ("base/controller-rbac.yaml", "base/speaker-rbac.yaml"):
        every = objects(path)
        account = one("ServiceAccount", path)["metadata"]["name"]
        names = {(obj["kind"], obj["metadata"]["name"]) for obj in every}
        for obj in every:
            if obj["kind"].endswith("Binding"):
                assert (obj["roleRef"]["kind"], obj["roleRef"]["name"]) in names
                assert obj["subjects"][0]["name"] == account
    assert SPEAKER["serviceAccountName"] == "herald-speaker"


def test_webhook_asks_the_controllers_about_every_kind_that_people_write() -> None:
    service = one("Service", "base/webhook.yaml")
    (port,) = service["spec"]["ports"]
    ports = {each["name"]: each["containerPort"] for each in CONTAINERS["controller"]["ports"]}
    assert ports[port["targetPort"]] == daemon("controller").WEBHOOK_PORT
    policy = one("NetworkPolicy", "base/networkpolicy.yaml")
    let_in = {each["port"] for rule in policy["spec"]["ingress"] for each in rule["ports"]}
    assert let_in == set(ports.values())
    assert policy["spec"]["egress"] == [{"ports": [{"protocol": "TCP"}]}], "the server has any port"

    configuration = one("ValidatingWebhookConfiguration", "base/webhook.yaml")
    assert configuration["metadata"]["name"] == CONFIGURATION
    (webhook,) = configuration["webhooks"]
    client = webhook["clientConfig"]["service"]
    assert f"{client['name']}.{client['namespace']}.svc" == host_of("metallb-system")
    assert (client["port"], client["path"]) == (port["port"], PATH)
    assert (webhook["failurePolicy"], webhook["sideEffects"]) == ("Ignore", "None")
    judged = {
        (operation, version, resource)
        for rule in webhook["rules"]
        for operation in rule["operations"]
        for version in rule["apiVersions"]
        for resource in rule["resources"]
    }
    written = {
        (operation, RESOURCES[kind].version, RESOURCES[kind].plural)
        for kind in KINDS
        for operation in ("CREATE", "UPDATE")
    }
    assert judged == written | {("DELETE", "v1beta1", "bfdprofiles")}


TARGET = {"node", "namespace", "pod", "container", "service", "endpoint", "job", "instance"}
"""Labels that Prometheus gives what it scrapes; `node` by the ServiceMonitor."""
METRIC = re.compile(r"\b(?:metallb|herald)_[a-z0-9_]+")
BOARD = json.loads((MANIFESTS / "components/monitoring/herald.json").read_text())


def exposed() -> dict[str, set[str]]:
    """The metrics that are scraped, as they are called there, with their labels."""
    planner = Planner(None)
    registry = CollectorRegistry()
    gauge_expiry(registry, lambda: None)
    of_controller = AllocatorCollector(lambda: Reading(planner)).collect()
    every: Iterable[Metric] = (*of_controller, *families().values(), *registry.collect())
    return {
        each.name + ("_total" if each.type == "counter" else ""): set(
            getattr(each, "_labelnames", ())
        )
        for each in every
    }


def queries() -> list[tuple[str, str]]:
    """Each query of an alert or a panel, with the text that shows its labels."""
    rules = one("PrometheusRule", "components/monitoring/rules.yaml")["spec"]["groups"]
    alerts = [
        (rule["expr"], rule["annotations"]["description"])
        for group in rules
        for rule in group["rules"]
    ]
    targets = [target for panel in BOARD["panels"] for target in panel["targets"]]
    return alerts + [(each["expr"], each["legendFormat"]) for each in targets]


@pytest.mark.parametrize(("query", "shown"), queries())
def test_query_asks_for_what_is_scraped_by_labels_that_it_has(query: str, shown: str) -> None:
    metrics = exposed()
    names = METRIC.findall(query)
    assert names
    assert set(names) <= set(metrics)
    has = set.intersection(*(metrics[name] for name in names)) | TARGET
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
    chosen = {label.strip() for each in grouped for label in each.split(",")}
    assert chosen <= has
    labels = set(re.findall(r"{{ ?(?:\$labels\.)?([a-z]+) ?}}", shown))
    assert labels <= (chosen if query.startswith(("max by", "min by", "sum by", "count")) else has)


def test_every_alert_has_its_line_in_the_documentation() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    rules = one("PrometheusRule", "components/monitoring/rules.yaml")["spec"]["groups"]
    for rule in (rule for group in rules for rule in group["rules"]):
        assert f"`{rule['alert']}`" in text


def test_prometheus_finds_both_daemons_by_their_services() -> None:
    monitor = one("ServiceMonitor", "components/monitoring/servicemonitors.yaml")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    services = objects("components/monitoring/services.yaml")
    assert [each["metadata"]["name"] for each in services] == [
        "herald-controller-metrics",
        "herald-speaker-metrics",
    ]
    for service, path in zip(services, ("controller", "speaker"), strict=True):
        assert wanted <= service["metadata"]["labels"].items()
        (port,) = service["spec"]["ports"]
        assert (port["name"], port["targetPort"]) == (endpoint["port"], 9130)
        (workload,) = (o for o in objects(f"base/{path}.yaml") if "template" in o.get("spec", {}))
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()


def test_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["targets"] and panel["title"] for panel in BOARD["panels"])


def test_container_image_copies_and_starts_what_exists() -> None:
    lines = (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    for line in lines:
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--"):
            assert all((ROOT / source).exists() for source in words[1:-1]), line
    packages = [line.split()[1] for line in lines if re.match(r"COPY [a-z-]+(/\w+)? ", line)]
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(build["targets"]["wheel"]["packages"]) <= set(packages)


def test_daemons_lock_has_the_versions_of_the_whole_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements-daemon.lock") <= pins("requirements.lock")
    assert any(pin.startswith("exabgp==") for pin in pins("requirements-daemon.lock"))
