"""The sentence for each Service: what is in the way, named, and the remedy."""

from typing import Any

import pytest

from controller.explain import explain, explain_all
from controller.outcome import Assigned, Pending, Reason
from controller.patches import CONDITION, condition_of
from controller.verdict import STATE_NAME, verdict_of
from kube.objects import Condition, ObjectName, Pod, Service
from kube.snapshot import Kind, Snapshot
from kube.written import Written, canonical
from tests.builders import HERALD, name, namespace, pool, service
from tests.controller.steps import DUAL, V6, svc

FIRST = pool("first-pool", "192.0.2.10-192.0.2.11")
FENCED = pool("fenced", "192.0.2.64/28", serviceAllocation={"namespaces": ["team"]})
TAKEN = service("taken", created="1", ingress=["192.0.2.10"], **svc("taken"))


def snapshot(*services: Service, **changes: Any) -> Snapshot:
    pools = changes.pop("pools", (FIRST, FENCED))
    return Snapshot(
        services={each.name: each for each in (*services, TAKEN)},
        pools={each.name: each for each in pools},
        namespaces={"default": namespace("default"), "team": namespace("team")},
        listed=frozenset(Kind),
        **changes,
    )


def sentence(spec: dict[str, Any], **changes: Any) -> str:
    there = service("web", created="2", **spec)
    return explain(snapshot(there, **changes), there.name).sentence


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            svc("web", pool="first-pol"),
            ['unknown pool "first-pol"', "did you mean first-pool?"],
            id="unknown pool",
        ),
        pytest.param(
            svc("web", pool="fenced"),
            ["pool fenced is not for namespace default", "namespaces team"],
            id="pool of another namespace",
        ),
        pytest.param(
            svc("web", ips="192.0.2.10"),
            ["192.0.2.10 is taken by default/taken", "metallb.io/allow-shared-ip"],
            id="address taken",
        ),
        pytest.param(
            svc("web", ips="203.0.113.1"),
            ["203.0.113.1 is not in any IPAddressPool", "add it to spec.addresses"],
            id="address outside",
        ),
        pytest.param(
            svc("web", families=V6, pool="first-pool"),
            ["no IPv6 addresses", "add IPv6 ranges"],
            id="family",
        ),
        pytest.param(
            svc("web", families=DUAL),
            ["IPv4 and IPv6"],
            id="both families",
        ),
        pytest.param(
            svc("web", ips="not-an-address"),
            ['invalid address "not-an-address"', "write one IP address"],
            id="malformed",
        ),
    ],
)
def test_reason_and_remedy(spec: dict[str, Any], words: list[str]) -> None:
    text = sentence(spec)

    assert text.startswith("Service default/web has no address: ")
    assert "\n" not in text
    for each in words:
        assert each in text


def test_full_pool_says_how_many_and_who() -> None:
    other = service("other", created="1", ingress=["192.0.2.11"])
    web = service("web", created="2")
    text = explain(snapshot(other, web), web.name).sentence

    assert "2 of 2 IPv4 addresses in use by default/other, default/taken" in text
    assert "add a range to the pool" in text


def test_port_clash_names_port_and_service() -> None:
    sharer = service("sharer", created="1", ingress=["192.0.2.11"], **svc("s", key="k"))
    web = service("web", created="2", **svc("web", key="k", ips="192.0.2.11"))
    text = explain(snapshot(sharer, web), web.name).sentence

    assert "TCP port 80 is used by default/sharer" in text


def test_service_with_an_address() -> None:
    found = explain(snapshot(), TAKEN.name)

    assert found.sentence == "Service default/taken has 192.0.2.10 from pool first-pool"
    assert isinstance(found.outcome, Assigned)


def test_address_that_is_free_points_at_the_controller() -> None:
    assert "check that herald-controller is running" in sentence(svc("web"))


def test_the_object_and_the_field_that_would_have_to_change_are_named() -> None:
    text = sentence(svc("web", pool="first-pol"))

    assert "(Service default/web: metadata.annotations[metallb.io/address-pool])" in text


def test_address_outside_every_pool_names_the_pools_that_do_not_count() -> None:
    twisted = pool("twisted", "203.0.113.9-203.0.113.1")
    text = sentence(svc("web", ips="203.0.113.5"), pools=(FIRST, twisted))

    assert "203.0.113.5 is not in any IPAddressPool" in text
    assert "refused pools, which do not count: twisted" in text


def test_no_pools() -> None:
    assert "create an IPAddressPool" in sentence(svc("web"), pools=())


def test_other_type_and_other_class() -> None:
    assert "set spec.type: LoadBalancer" in sentence({"type": "ClusterIP"})
    assert "loadBalancerClass x" in sentence({"load_balancer_class": "x"})
    assert "does not exist" in explain(snapshot(), name("nobody")).sentence


def test_unlisted_pools_are_unknown_not_empty() -> None:
    there = service("web")
    found = explain(
        Snapshot(services={there.name: there}, listed=frozenset({Kind.SERVICE})), there.name
    )

    assert "IPAddressPool" in found.sentence
    assert "could not be listed" in found.sentence


def test_metallbs_controller_is_waited_for() -> None:
    labels = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}
    pod = Pod(name(f"{HERALD}/controller"), "uid", labels, ready=True)
    there = service("web")
    found = explain(snapshot(there, pods={pod.name: pod}), there.name)

    assert isinstance(found.outcome, Pending)
    assert found.outcome.reason is Reason.METALLB_RUNS
    assert "scale MetalLB's controller down" in found.sentence


def test_all_services_of_ours_are_explained_as_each_alone() -> None:
    bad = service("bad", created="2", **svc("bad", pool="first-pol"))
    theirs = service("theirs", created="3", load_balancer_class="other.example/lb")
    inner = service("inner", created="4", type="ClusterIP")
    made = snapshot(bad, theirs, inner)

    assert explain_all(made) == {each: explain(made, each) for each in (bad.name, TAKEN.name)}


def test_words_of_a_controller_at_work_count_more_than_a_plan_without_its_memory() -> None:
    """It may use the last good version of a pool that is wrong now."""
    text = "no available IPs: pool p2 is full, 4 of 4 IPv4 addresses in use: add a range"
    told = Condition(CONDITION, "False", "PoolFull", text)
    web = service("web", created="2", conditions=(told,), **svc("web", pool="p2"))
    made = snapshot(web, pools=(FIRST, pool("p2", "192.0.2.80-192.0.2.70")))

    led, alone = explain(made, web.name, leads=True), explain(made, web.name)

    assert led.sentence == f"Service default/web has no address: {text}"
    assert "pool p2 is refused" in alone.sentence


def test_wish_that_is_not_met_is_told_in_the_controllers_words() -> None:
    told = Condition(CONDITION, "True", "PoolUnknown", "no such pool: create it")
    web = service("web", created="2", ingress=["192.0.2.11"], conditions=(told,), **svc("web"))

    found = explain(snapshot(web), web.name, leads=True)

    assert found.sentence == "Service default/web has 192.0.2.11, but: no such pool: create it"


@pytest.mark.parametrize(
    ("leads", "refusals", "words"),
    [
        pytest.param(False, {}, "check that herald-controller is running", id="nobody leads"),
        pytest.param(True, {}, "its log says why", id="not written yet"),
        pytest.param(True, {"x": "403"}, "refuses to store the status", id="refused"),
    ],
)
def test_service_without_the_address_that_is_free_for_it(
    *, leads: bool, refusals: dict[str, str], words: str
) -> None:
    web = service("web", created="2", **svc("web"))
    verdict = verdict_of((), {name(each): why for each, why in refusals.items()})
    of = ObjectName(HERALD, STATE_NAME)
    states = {of: Written(of, said=canonical(verdict.status("now")))}

    found = explain(snapshot(web, configuration_states=states), web.name, leads=leads)

    assert words in found.sentence
    assert ("is running" in found.sentence) is not leads


SHARER = svc("s", key="k", local="x", annotations={})


@pytest.mark.parametrize(
    ("spec", "object_", "field"),
    [
        pytest.param(
            svc("web", key="k", ips="192.0.2.11", local="x"),
            "Service default/web",
            "spec.ports",
            id="ports",
        ),
        pytest.param(
            svc("web", key="k", ips="192.0.2.11", ports=["TCP/81"]),
            "Service default/web",
            "spec.externalTrafficPolicy",
            id="policy",
        ),
        pytest.param(
            svc("web", key="k", ips="192.0.2.11", ports=["TCP/81"], local="y"),
            "Service default/web",
            "spec.selector",
            id="selector",
        ),
        pytest.param(
            svc("web", key="l", ips="192.0.2.11", ports=["TCP/81"], local="x"),
            "Service default/web",
            "metadata.annotations[metallb.io/allow-shared-ip]",
            id="key",
        ),
    ],
)
def test_what_forbids_sharing_names_the_field_of_the_service_that_asks(
    spec: dict[str, Any], object_: str, field: str
) -> None:
    sharer = service("sharer", created="1", ingress=["192.0.2.11"], **SHARER)
    web = service("web", created="2", **spec)
    outcome = explain(snapshot(sharer, web), web.name).outcome

    assert isinstance(outcome, Pending)
    assert (outcome.object, outcome.field) == (object_, field)


@pytest.mark.parametrize(
    ("mine", "theirs", "object_"),
    [
        pytest.param("", "team", "Service team/web", id="this one consents not"),
        pytest.param("default", "", "Service default/sharer", id="the other one does not"),
    ],
)
def test_missing_consent_names_the_service_that_must_give_it(
    mine: str, theirs: str, object_: str
) -> None:
    def consent(to: str) -> dict[str, str]:
        return {"herald.io/share-with-namespaces": to} if to else {}

    sharing = {"key": "k", "ips": "192.0.2.11"}
    there = svc("s", annotations=consent(theirs), **sharing)
    sharer = service("sharer", created="1", ingress=["192.0.2.11"], **there)
    asks = svc("web", ports=["TCP/81"], annotations=consent(mine), **sharing)
    web = service("team/web", created="2", **asks)
    outcome = explain(snapshot(sharer, web), web.name).outcome

    assert isinstance(outcome, Pending)
    assert outcome.object == object_
    assert outcome.field == "metadata.annotations[herald.io/share-with-namespaces]"


def test_pools_that_may_be_meant_and_the_remedy_are_two_sentences() -> None:
    pools = tuple(pool(text, f"10.0.{i}.0/24") for i, text in enumerate(("alpha", "beta", "dual")))
    text = sentence(svc("web", pool="zz"), pools=pools)

    assert "pools are alpha, beta, dual. Create the pool or correct the annotation" in text


def test_one_family_is_not_missing_together() -> None:
    text = sentence(svc("web", families=V6, pool="first-pool"))

    assert "pool first-pool has no IPv6 addresses: add IPv6 ranges" in text
    assert "no IPv4 and IPv6 addresses together" in sentence(
        svc("web", families=DUAL, policy="RequireDualStack", pool="first-pool")
    )


@pytest.mark.parametrize(
    ("wish", "remedy"),
    [
        pytest.param({"pool": "x" * 5000}, "correct the annotation", id="pool"),
        pytest.param({"ips": "x" * 5000}, "write one IP address", id="address"),
        pytest.param({"ips": "192.0.2.1," * 500}, "write one IP address", id="addresses"),
    ],
)
def test_long_annotation_does_not_cut_off_the_remedy(wish: dict[str, str], remedy: str) -> None:
    web = service("web", created="2", **svc("web", **wish))
    condition = condition_of(explain(snapshot(web), web.name).outcome)

    assert condition is not None
    assert remedy in condition.message


def test_long_sharing_key_does_not_cut_off_the_remedy() -> None:
    sharer = service("sharer", created="1", ingress=["192.0.2.11"], **svc("s", key="k" * 5000))
    web = service("web", created="2", **svc("web", key="l", ips="192.0.2.11"))
    condition = condition_of(explain(snapshot(sharer, web), web.name).outcome)

    assert condition is not None
    assert "use the same metallb.io/allow-shared-ip" in condition.message
