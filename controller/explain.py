"""One sentence on what addresses a Service has, or why it has none and what would give it one.

Works on a snapshot alone, by planning as the controller would: the command and the tests need no
running controller, and can tell when it is the controller that is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.ask import is_ours
from controller.outcome import Assigned, NotOurs, Outcome, Pending, Reason
from controller.patches import CONDITION
from controller.planner import Planner
from controller.verdict import STATE_NAME, refusal_in
from controller.view import NEEDED, is_known, metallb_controllers, outlook_of
from kube.objects import Address, ObjectName, Service
from kube.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is to be said of a Service, and the value it was made from."""

    sentence: str
    outcome: Outcome


def explain(
    snapshot: Snapshot, name: ObjectName, lb_class: str | None = None, *, leads: bool = False
) -> Explanation:
    """Return what the Service has, or in one sentence why it has nothing and the remedy.

    `leads` says that a controller is at work: then its own words count.
    """
    service = snapshot.services.get(name)
    if service is None:
        return _not_ours(f"Service {name} does not exist: check namespace and name")
    if service.type != "LoadBalancer":
        remedy = "set spec.type: LoadBalancer to get an address"
        return _not_ours(f"Service {name} is of type {service.type}: {remedy}")
    if not is_ours(service, lb_class):
        return _not_ours(_class_words(service, lb_class))
    return _explained(snapshot, (service,), lb_class, leads)[name]


def explain_all(
    snapshot: Snapshot, lb_class: str | None = None, *, leads: bool = False
) -> Mapping[ObjectName, Explanation]:
    """Return the explanation of each Service of our type and class, all from one plan."""
    ours = (each for each in snapshot.services.values() if is_ours(each, lb_class))
    return _explained(snapshot, sorted(ours, key=lambda each: each.name), lb_class, leads)


def _explained(
    snapshot: Snapshot, services: Iterable[Service], lb_class: str | None, leads: bool
) -> dict[ObjectName, Explanation]:
    if not is_known(snapshot):
        missing = ", ".join(sorted(kind.value for kind in NEEDED - snapshot.listed))
        nothing = f"{missing} could not be listed, so nothing is known"
        return {each.name: _not_ours(f"Service {each.name}: {nothing}") for each in services}
    if controllers := metallb_controllers(snapshot):
        return {each.name: _of(each, _metallb(each, controllers[0])) for each in services}
    planner = Planner(lb_class)
    planner.replan(outlook_of(snapshot).view, 0.0)
    if not leads:
        return {each.name: _of(each, planner.outcomes[each.name]) for each in services}
    refusal = _refusal(snapshot)
    return {each.name: _told(each, planner.outcomes[each.name], refusal) for each in services}


def _told(service: Service, outcome: Outcome, refusal: str) -> Explanation:
    """Return what the controller says itself.

    It knows what the objects don't show: the last good version of a pool that is wrong now, which
    of two conflicting pools came first, that its writes are refused.
    """
    told = next((each for each in service.conditions if each.type == CONDITION), None)
    if told is not None and service.ingress:
        has = "has" if told.status == "True" else "still shows"
        sentence = f"Service {service.name} {has} {_words(service.ingress)}, but: {told.message}"
        return Explanation(sentence, outcome)
    if told is not None:
        return Explanation(f"Service {service.name} has no address: {told.message}", outcome)
    if service.ingress or not isinstance(outcome, Assigned):
        return _of(service, outcome)
    why = refusal or "if that lasts for more than seconds, its log says why"
    sentence = (
        f"Service {service.name} has no address yet, though {_words(outcome.addresses)} from "
        f"pool {outcome.pool} is free for it and herald-controller is at work: {why}"
    )
    return Explanation(sentence, outcome)


def _refusal(snapshot: Snapshot) -> str:
    states = snapshot.configuration_states.values()
    said = (each.status.get("errorSummary") for each in states if each.name.name == STATE_NAME)
    return refusal_in("\n".join(filter(None, said)))


def _of(service: Service, outcome: Outcome) -> Explanation:
    if isinstance(outcome, Pending):
        has = (
            f"still shows {_words(service.ingress)}, but" if service.ingress else "has no address:"
        )
        place = f"({outcome.object}: {outcome.field})"
        return Explanation(f"Service {service.name} {has} {outcome} {place}", outcome)
    assert isinstance(outcome, Assigned)
    if not service.ingress:
        sentence = (
            f"Service {service.name} has no address yet, though {_words(outcome.addresses)} from "
            f"pool {outcome.pool} is free for it: check that herald-controller is running"
        )
        return Explanation(sentence, outcome)
    pool = f" from pool {outcome.pool}" if outcome.pool else ""
    sentence = f"Service {service.name} has {_words(service.ingress)}{pool}"
    rest = [str(outcome.note)] if outcome.note else []
    if outcome.warning:
        rest.append(outcome.warning)
    return Explanation("; ".join((sentence, *rest)), outcome)


def _class_words(service: Service, lb_class: str | None) -> str:
    theirs = service.load_balancer_class
    has = f"of loadBalancerClass {theirs}" if theirs else "of no loadBalancerClass"
    ours = f"Services of loadBalancerClass {lb_class}" if lb_class else "Services without a class"
    remedy = (
        f"create it anew with spec.loadBalancerClass: {lb_class}"
        if lb_class
        else "create it anew without spec.loadBalancerClass, or start Herald with --lb-class"
    )
    return f"Service {service.name} is {has} and Herald serves {ours}: {remedy}"


def _metallb(service: Service, controller: ObjectName) -> Pending:
    return Pending(
        Reason.METALLB_RUNS,
        f"Pod {controller}",
        "status.conditions",
        f"MetalLB's controller {controller} is running, and Herald waits while it is",
        "scale MetalLB's controller down to 0",
    )


def _not_ours(sentence: str) -> Explanation:
    return Explanation(sentence, NotOurs(sentence))


def _words(addresses: tuple[Address, ...]) -> str:
    return " and ".join(str(address) for address in addresses)
