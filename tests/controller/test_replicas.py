"""Stories of replicas and late news that random ones seldom tell."""

from collections.abc import Mapping

from controller.view import outlook_of
from kube.snapshot import Kind, Snapshot
from tests.builders import name, namespace, pool, service
from tests.controller.replicas import Replica, Server

BLOCK = pool("a", "192.0.2.0/30")
POOLS = outlook_of(Snapshot(pools={BLOCK.name: BLOCK}, listed=frozenset(Kind))).view.pools


def leader() -> tuple[Server, Replica]:
    server = Server([namespace("default")])
    replica = Replica(server)
    replica.lead(POOLS, 0.0)
    return server, replica


def put(
    server: Server, text: str, created: str, annotations: Mapping[str, str] | None = None
) -> None:
    server.put(service(text, created=created, annotations=dict(annotations or {})))


def addresses(server: Server) -> dict[str, tuple[str, ...]]:
    return {n.name: tuple(map(str, each.ingress)) for n, each in server.services.items()}


def wants(address: str) -> dict[str, str]:
    return {"metallb.io/loadBalancerIPs": address}


def test_address_is_given_on_only_after_its_owner_has_let_go() -> None:
    """The one who waits is older: its write would be the first to go out."""
    server, replica = leader()
    put(server, "owner", "2")
    replica.settle(POOLS, 0.0)
    put(server, "waits", "1", wants("192.0.2.0"))
    replica.settle(POOLS, 100.0)

    put(server, "owner", "2", wants("192.0.2.1"))
    replica.hear()
    replica.plan(POOLS, 200.0)
    replica.send(200.0, 32)

    assert [write.service.name for write in replica.pending] == ["owner"]
    replica.settle(POOLS, 200.0)
    assert addresses(server) == {"owner": ("192.0.2.1",), "waits": ("192.0.2.0",)}


def test_service_made_anew_before_the_watch_had_seen_the_first_is_written() -> None:
    server = Server([namespace("default")])
    put(server, "web", "1")
    replica = Replica(server)
    replica.lead(POOLS, 0.0)

    server.delete(name("web"))
    replica.hear([name("web")])
    put(server, "web", "2")
    replica.settle(POOLS, 0.0)

    assert addresses(server) == {"web": ("192.0.2.0",)}


def test_new_leader_gives_nothing_back_to_one_who_is_gone() -> None:
    """Its watch still shows the old owner, who was deleted and whose address is another's."""
    server, first = leader()
    put(server, "old", "1")
    first.settle(POOLS, 0.0)
    second = Replica(server)
    second.hear()
    server.delete(name("old"))
    put(server, "new", "2", wants("192.0.2.0"))
    first.settle(POOLS, 100.0)
    assert addresses(server) == {"new": ("192.0.2.0",)}
    writes = server.writes

    second.lead(POOLS, 200.0)
    second.settle(POOLS, 200.0)

    assert addresses(server) == {"new": ("192.0.2.0",)}
    assert server.writes == writes


def test_write_whose_answer_was_lost_is_not_done_twice() -> None:
    server, replica = leader()
    put(server, "web", "1")
    replica.hear()
    replica.plan(POOLS, 0.0)
    replica.send(0.0, 1)
    replica.answer(0, "unanswered", 0.0)

    replica.settle(POOLS, 0.0)

    assert server.writes == 1
    assert addresses(server) == {"web": ("192.0.2.0",)}


def test_edit_that_is_taken_back_before_the_watch_has_caught_up_is_planned_for() -> None:
    """The list shows the edit, and the watch only what was there before and is there again."""
    server = Server([namespace("default")])
    put(server, "owner", "1")
    put(server, "web", "2")
    second = Replica(server)
    second.hear([name("web")])
    put(server, "web", "2", wants("192.0.2.0"))
    second.lead(POOLS, 0.0)
    put(server, "web", "2")

    second.settle(POOLS, 0.0)

    assert addresses(server) == {"owner": ("192.0.2.0",), "web": ("192.0.2.1",)}
