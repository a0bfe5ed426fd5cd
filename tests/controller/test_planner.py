"""The planner's passes: adoption, freeing, the order of things, restarts."""

from controller.outcome import Cause, NotOurs, Reason
from tests.builders import pool, service
from tests.controller.cluster import Cluster

FIRST = pool("first-pool", "192.168.4.10-192.168.4.20")


def test_first_service_gets_the_lowest_address_of_the_first_pool() -> None:
    cluster = Cluster(FIRST).put(service("web")).run()

    assert cluster.addresses("web") == ("192.168.4.10",)
    assert cluster.assigned("web").pool == "first-pool"
    assert cluster.change("web").cause is Cause.NEW


def test_planning_again_after_applying_changes_nothing() -> None:
    cluster = Cluster(FIRST).put(service("a"), service("b"), service("c")).run()

    assert cluster.plan().changes == ()


def test_restart_adopts_every_address_and_gives_it_no_cause() -> None:
    cluster = Cluster(FIRST).put(*(service(f"s{i}") for i in range(8))).run()
    before = {text: cluster.addresses(text) for text in ("s0", "s3", "s7")}

    cluster.restart().put(service("new", created="2025-01-01T00:00:00Z")).run()

    assert {text: cluster.addresses(text) for text in before} == before
    assert [c.service.name for c in cluster.changes if c.cause is not None] == ["new"]
    assert cluster.addresses("new") == ("192.168.4.18",)


def test_deleted_service_frees_its_address_for_the_one_that_waits() -> None:
    one = pool("one", "192.0.2.1/32")
    cluster = Cluster(one).put(service("a", created="1"), service("b", created="2")).run()
    assert cluster.pending("b").reason is Reason.POOL_FULL

    cluster.delete("a").run()

    assert cluster.addresses("b") == ("192.0.2.1",)


def test_type_change_clears_status_and_annotation() -> None:
    cluster = Cluster(FIRST).put(service("web")).run()

    cluster.put(service("web", type="ClusterIP")).run()

    assert cluster.addresses("web") == ()
    assert cluster.outcome("web") == NotOurs()
    assert cluster.put(service("other")).run().addresses("other") == ("192.168.4.11",)


def test_service_of_another_class_is_left_alone() -> None:
    foreign = service("web", load_balancer_class="other.example/lb", ingress=["203.0.113.9"])
    cluster = Cluster(FIRST).put(foreign).run()

    assert cluster.addresses("web") == ("203.0.113.9",)


def test_own_class_is_served_and_services_without_class_are_not() -> None:
    cluster = Cluster(FIRST, lb_class="herald.io/lb")
    cluster.put(service("mine", load_balancer_class="herald.io/lb"), service("plain")).run()

    assert cluster.addresses("mine") == ("192.168.4.10",)
    assert cluster.addresses("plain") == ()
