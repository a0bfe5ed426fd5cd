"""Runs drills: one lab for all of them, each drill its runs and then its control once."""

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from netns_lab.drill import insight, objects, timeline
from netns_lab.drill.faults import Fault, Prepare, Scene
from netns_lab.drill.lateness import LATE_MS
from netns_lab.drill.measure import RunFigures, measure_run, owner_at, with_machine
from netns_lab.drill.probes import Probes
from netns_lab.drill.results import ControlResult, DrillResult, Run
from netns_lab.drill.rig import Rig
from netns_lab.drill.scenarios import Backends, Scenario
from netns_lab.drill.series import ExpectedChange
from netns_lab.drill.settle import LateError, NotSettledError, until
from netns_lab.drill.timeline import Timeline
from netns_lab.lab import Lab
from netns_lab.orders import LabError
from netns_lab.planes import PlaneChoice

BASELINE_S = 0.4
"Traffic before the fault, so that every flow has its first echoes."
NO_FIGURES = measure_run({}, None, None, 0.0)

ARRIVAL_LIMIT_S = 20.0
"How long a path may take to come."

CALM_S = 1.0
"A busy moment of the machine may pass: longer each time."

ATTEMPTS = 5
"How often a run is begun that told nothing: the fault missed, or the probes were late."

Say = Callable[[str], None]


class MovedError(LabError):
    """The address moved between the look at its owner and the fault: nothing was measured."""


@dataclass(frozen=True, slots=True)
class DrillRunner:
    """Runs scenarios in a lab that is up."""

    lab: Lab
    control_plane: str
    say: Say

    def run(self, scenario: Scenario, runs: int) -> DrillResult:
        """Return the results of `runs` runs and the control."""
        rig = Rig(self.lab, scenario.layer2, scenario.policy)
        control = scenario.control
        done = []
        try:
            for number in range(1, runs + 1):
                self.say(f"{scenario.name}: run {number} of {runs}")
                done.append(self._once(scenario, rig, scenario.inject, None))
            self.say(f"{scenario.name}: control, {control.what}")
            check = self._once(scenario, rig, control.inject, control.prepare)
        finally:
            with suppress(LabError):
                rig.clear()
        return DrillResult(
            name=scenario.name,
            summary=scenario.summary,
            control_plane=self.control_plane,
            nodes=len(rig.nodes),
            budgets=scenario.budgets,
            aims=scenario.aims,
            runs=tuple(done),
            control=ControlResult(control.what, check, control.must, control.calibration),
        )

    def _once(self, scenario: Scenario, rig: Rig, inject: Fault, prepare: Prepare | None) -> Run:
        complaint = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                target = _settle(scenario, rig)
                run = _measured(scenario, rig, target, inject, prepare)
                if attempt < ATTEMPTS:  # the last one counts, however busy the machine
                    _check_on_time(run.figures)
            except (LateError, MovedError) as error:
                complaint = f"{error}"
                self.say(f"{scenario.name}: once more, {complaint}")
                time.sleep(attempt * CALM_S)
            except LabError as error:
                return Run(NO_FIGURES, Timeline(), f"{error}")
            else:
                return run
        return Run(NO_FIGURES, Timeline(), complaint)


def _settle(scenario: Scenario, rig: Rig) -> str:
    """Bring the rig to the state a run starts from; return the node that the fault shall hit."""
    if not scenario.layer2:
        target = rig.nodes[0]
        backends = _backends(scenario, rig, target)
        rig.settle(backends)
        rig.wait_bfd(len(rig.nodes))  # first: a session that BFD ends takes its routes along
        rig.wait_programmed()
        rig.wait_routes(len(rig.nodes if scenario.policy == "Cluster" else backends))
        return target
    # Any endpoint lets the address have an owner; then the backends go where they shall be.
    rig.settle(tuple(rig.backends) or rig.nodes[-1:])
    target = rig.owner()
    rig.place(_backends(scenario, rig, target))
    rig.wait_programmed()
    if rig.owner() == target:
        rig.forget_owner()
        return target
    return _settle(scenario, rig)


def _backends(scenario: Scenario, rig: Rig, target: str) -> tuple[str, ...]:
    if scenario.backends is Backends.EVERYWHERE:
        return rig.nodes
    return tuple(node for node in rig.nodes if node != target)


def _measured(
    scenario: Scenario, rig: Rig, target: str, inject: Fault, prepare: Prepare | None
) -> Run:
    with ExitStack() as undo:
        scene = Scene(rig, target, undo)
        with Probes(rig.lab, rig.address, arp=scenario.layer2) as probes:
            if prepare is not None:
                prepare(scene)
            time.sleep(BASELINE_S)
            path = ExpectedChange(rig.lab.plan.node(target).lan_v4, arrives=scenario.arrives)
            if not scenario.layer2:
                _check_path(rig.next_hops(), path)
            fault_s = inject(scene)
            time.sleep(scenario.after_s)
            if scenario.arrives:
                _await_arrival(rig, path)
            seen = probes.stop()
            known = _known(scenario, rig, target, fault_s)
    names = rig.names()
    if seen.arp is not None:
        _check_owner(names.get(owner_at(seen.arp, fault_s) or ""), target)
    cut = scene.cuts[-1] if scene.cuts else None
    figures = measure_run(seen.clients, seen.arp, seen.routes, fault_s, path, known)
    figures = with_machine(figures, seen.waits_s, cut)
    drawn = timeline.draw(seen.clients, seen.arp, seen.routes or (), fault_s, figures.marks, names)
    return Run(figures, drawn)


def _known(scenario: Scenario, rig: Rig, target: str, fault_s: float) -> dict[str, float]:
    """Return when Herald, or the router, knew of the fault and acted; asked while it lasts."""
    if not scenario.layer2:
        peer = rig.lab.plan.node(target).lan_v4
        # bgpd stamps its log with the wall clock.
        offset_s = time.time_ns() / 1e9 - time.monotonic()
        down = insight.session_down_s(rig.lab.log("bgpd"), peer, fault_s, offset_s)
        return {} if down is None else {"detected": down}
    pages = rig.pages()
    found = {
        "detected": insight.detected_s(pages, target, fault_s),
        "taken": insight.taken_s(pages, target, rig.address, fault_s),
    }
    return {name: at for name, at in found.items() if at is not None}


def _check_on_time(figures: RunFigures) -> None:
    if figures.late_ms > LATE_MS:
        raise LateError(f"{figures.late_who} got no processor for {figures.late_ms:g} ms")


def _check_owner(owner: str | None, target: str) -> None:
    if owner != target:
        raise MovedError(f"{owner or 'nobody'} had the address when the fault hit {target}")


def _check_path(next_hops: Sequence[str], path: ExpectedChange) -> None:
    if (path.next_hop in next_hops) is path.arrives:
        raise MovedError(f"the router had {', '.join(next_hops) or 'no path'} before the fault")


def _await_arrival(rig: Rig, path: ExpectedChange) -> None:
    """Go on until the path is there: a service proxy that starts may take its time."""
    with suppress(NotSettledError):
        until("the path", lambda: path.next_hop in rig.next_hops(), ARRIVAL_LIMIT_S)


def run_drills(
    scenarios: Sequence[Scenario], *, nodes: int, runs: int, control_plane: str, say: Say
) -> Generator[DrillResult]:
    """Run the drills that make sense on so many nodes, in a lab of their own; give each when done.

    The lab goes when the generator ends or is closed.
    """
    fitting = [each for each in scenarios if nodes >= each.nodes_min]
    if not fitting:
        return
    say(f"lab with {nodes} nodes, control plane {control_plane}")
    # Named by the process, so that two may run; tied to it, so that a killed one leaves nothing.
    lab = Lab.up(f"drill{os.getpid()}", nodes, plane=PlaneChoice(control_plane), tied=True)
    try:
        list(lab.apply(objects.base()))
        runner = DrillRunner(lab, control_plane, say)
        for scenario in fitting:
            yield runner.run(scenario, runs)
    finally:
        lab.down()
