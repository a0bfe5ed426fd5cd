"""Series for tests: steady traffic with chosen losses, a watcher with chosen answers."""

from netns_lab.drill.series import ArpAnswer, ArpSeries, ClientSeries, Flow, Gratuitous

STEP_S = 0.01
TRIP_S = 0.0002


def flow(seconds: float, lost: tuple[float, float] | None = None) -> Flow:
    """One datagram each `STEP_S`; those sent within `lost` never come back."""
    sent = tuple(round(i * STEP_S, 6) for i in range(round(seconds / STEP_S)))
    echoed = tuple(
        0.0 if lost is not None and lost[0] <= at < lost[1] else at + TRIP_S for at in sent
    )
    return Flow(sent, echoed)


def client(*flows: Flow) -> ClientSeries:
    """A client without TCP."""
    return ClientSeries(flows)


def watcher(seconds: float, **owners: tuple[float, float]) -> ArpSeries:
    """A request each 5 ms, answered by each owner within its time; a frame when it begins."""
    asked = tuple(round(i * 0.005, 6) for i in range(round(seconds / 0.005)))
    answers = tuple(
        ArpAnswer(at, at + 0.0001, mac)
        for at in asked
        for mac, (start, end) in owners.items()
        if start <= at < end
    )
    announced = tuple(Gratuitous(start, mac) for mac, (start, _) in owners.items() if start)
    return ArpSeries(asked, answers, announced)
