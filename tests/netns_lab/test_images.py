from typing import Any

import pytest

from netns_lab.images import Server, ServerPlan, quits_at_once, server_of_image, servers_of


def pod(*containers: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"spec": {"containers": [{"image": i, "ports": p} for i, p in containers]}}


@pytest.mark.parametrize(
    ("image", "server"),
    [
        pytest.param("nginx:1.15-alpine", Server.WEB, id="any web image"),
        pytest.param("echo", Server.ECHO, id="bare"),
        pytest.param("registry.example:5000/tools/echo:v2", Server.ECHO, id="registry, path, tag"),
        pytest.param("echo@sha256:00", Server.ECHO, id="digest"),
        pytest.param("echoserver", Server.WEB, id="another name"),
    ],
)
def test_image_chooses_its_server(image: str, server: Server) -> None:
    assert server_of_image(image) is server


def test_each_port_is_served_once_and_tcp_by_default() -> None:
    twice = pod(
        ("nginx", [{"containerPort": 80}]),
        ("nginx", [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]),
    )
    assert servers_of(twice) == (
        ServerPlan(Server.WEB, "TCP", 80),
        ServerPlan(Server.WEB, "UDP", 53),
    )


def test_only_web_servers_quit_at_once() -> None:
    assert quits_at_once(pod(("nginx", [])))
    assert not quits_at_once(pod(("nginx", []), ("echo", [])))
