"""What kubectl asks for beside the objects: documents, tables, strict decoding."""

import pytest

from netns_lab.control_plane.tables import age
from tests.netns_lab.control_plane.clients import PODS, POOLS, SERVICES, Json, Plane, plane

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
LB = {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]}


async def _table(p: Plane, path: str) -> list[Json]:
    """Return the rows of a table, each by its headings."""
    async with p.session.get(path, headers={"Accept": TABLE}) as response:
        table = await response.json()
    headings = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(headings, row["cells"], strict=True)) for row in table["rows"]]


async def test_services_are_listed_with_their_external_address() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB)
        assert (await _table(p, f"{SERVICES}/web"))[0]["External-IP"] == "<pending>"
        ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        await p.patch(f"{SERVICES}/web/status", ingress)
        kubernetes, web = await _table(p, SERVICES)

        assert kubernetes["External-IP"] == "<none>"
        assert web["External-IP"] == "192.0.2.1"
        assert web["Port(s)"] == "80:30080/TCP"


async def test_custom_kinds_are_listed_by_the_columns_of_their_definition() -> None:
    async with plane() as p:
        await p.create(POOLS, "first", spec={"addresses": ["192.0.2.0/24"]})
        (row,) = await _table(p, POOLS)

        assert row == {
            "Name": "first",
            "Auto Assign": True,
            "Avoid Buggy IPs": False,
            "Addresses": '["192.0.2.0/24"]',
        }


async def test_pods_are_listed_with_their_state() -> None:
    async with plane() as p:
        await p.create(PODS, "pod", spec={"containers": [{"name": "c", "image": "x"}]})
        (row,) = await _table(p, PODS)

        assert (row["Ready"], row["Status"], row["Node"]) == ("0/1", "Pending", "<none>")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2026-01-01T00:00:59Z", "59s", id="seconds"),
        pytest.param("2026-01-01T00:05:00Z", "5m", id="minutes"),
        pytest.param("2026-01-01T07:00:00Z", "7h", id="hours"),
        pytest.param("2026-01-04T00:00:00Z", "3d", id="days"),
        pytest.param("2025-12-31T00:00:00Z", "0s", id="a clock that went back"),
    ],
)
def test_ages_are_short(now: str, expected: str) -> None:
    assert age("2026-01-01T00:00:00Z", now) == expected


async def test_a_strict_write_refuses_unknown_fields_and_others_drop_them() -> None:
    body = {"metadata": {"name": "p"}, "spec": {"addresses": ["192.0.2.0/24"], "autoasign": True}}
    async with plane() as p:
        code, status = await p.ask("POST", POOLS, body, fieldValidation="Strict")
        assert code == 400
        assert 'unknown field "spec.autoasign"' in status["message"]
        code, pool = await p.ask("POST", POOLS, body)

        assert code == 201
        assert "autoasign" not in pool["spec"]


async def test_every_kind_is_said_to_take_field_validation() -> None:
    async with plane() as p:
        index = (await p.get("/openapi/v3"))["paths"]
        assert {"api/v1", "apis/apps/v1", "apis/metallb.io/v1beta1"} <= index.keys()
        document = await p.get(index["apis/metallb.io/v1beta2"]["serverRelativeURL"])
        (path,) = document["paths"]
        patch = document["paths"][path]["patch"]

        assert path == "/apis/metallb.io/v1beta2/namespaces/{namespace}/bgppeers/{name}"
        assert patch["parameters"][0]["name"] == "fieldValidation"
        assert patch["x-kubernetes-group-version-kind"]["kind"] == "BGPPeer"


async def test_discovery_names_groups_and_kinds() -> None:
    async with plane() as p:
        groups = {group["name"]: group for group in (await p.get("/apis"))["groups"]}
        assert groups["metallb.io"]["preferredVersion"]["version"] == "v1beta2"
        core = {each["name"]: each for each in (await p.get("/api/v1"))["resources"]}

        assert core["services"]["shortNames"] == ["svc"]
        assert core["services/status"]["kind"] == "Service"
        async with p.session.get("/apis/nowhere.io/v1") as response:
            assert response.status == 404
