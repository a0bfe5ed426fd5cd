"""The drills: what each does, its budgets and aims, and its negative control.

Budgets must hold; aims are reported. docs/figures.md has both as a table, and a test holds the two
against each other.
Figures are milliseconds, or counts. Controls use only what users have too.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from netns_lab.drill import faults
from netns_lab.drill.budget import Budget, Key
from netns_lab.drill.faults import Fault, Prepare


class Backends(Enum):
    """Where the backends are."""

    SURVIVORS = "on every node but the one that the fault hits"
    EVERYWHERE = "on every node"


@dataclass(frozen=True, slots=True)
class Control:
    """The same with the protection off; `must` are bounds that it has to break.

    A calibration has to hold them.
    """

    what: str
    inject: Fault
    must: tuple[Budget, ...]
    prepare: Prepare | None = None
    calibration: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One drill."""

    name: str
    suite: str
    summary: str
    layer2: bool
    inject: Fault
    budgets: tuple[Budget, ...]
    "What must hold."
    aims: tuple[Budget, ...]
    "What is aimed at, and reported."
    control: Control
    backends: Backends = Backends.SURVIVORS
    policy: str = "Cluster"
    after_s: float = 2.0
    "How long to watch after the fault."
    nodes_min: int = 2
    arrives: bool = False
    "The fault brings the node's path to the router instead of taking it away."


# What must hold, on any machine that can run the lab: bounds on behaviour, with room for noise.
NOTHING_LOST = Budget(Key.LOST, worst=0)
NOTHING_MOVED = Budget(Key.MOVES, worst=0)
NOBODY_DOUBLE = Budget(Key.DUAL_ANSWER_MS, worst=0)
CRASH = Budget(Key.LONGEST_GAP_MS, worst=800)
ARP_SOON = Budget(Key.ARP_SILENCE_MS, worst=800)
ARP_KEPT = Budget(Key.ARP_SILENCE_MS, worst=400)
DOUBLE_SHORT = Budget(Key.DUAL_ANSWER_MS, worst=300)
ROUTE_GONE = Budget(Key.ROUTE_CHANGE_MS, worst=800)
ROUTE_LATE = Budget(Key.ROUTE_CHANGE_MS, least=1000 * faults.PROXY_LATE_S, worst=20000)

# What is aimed at: reported beside the figures, met or not.
L2_CRASH_AIM = Budget(Key.LONGEST_GAP_MS, median=400, worst=800)
BGP_CRASH_AIM = Budget(Key.LONGEST_GAP_MS, median=400, worst=600)
ARP_SOON_AIM = Budget(Key.ARP_SILENCE_MS, median=400)
ARP_KEPT_AIM = Budget(Key.ARP_SILENCE_MS, median=40)
DOUBLE_MOVE_AIM = Budget(Key.DUAL_ANSWER_MS, worst=100)
DOUBLE_HEAL_AIM = Budget(Key.DUAL_ANSWER_MS, worst=300)
ROUTE_GONE_AIM = Budget(Key.ROUTE_CHANGE_MS, median=80)
ROUTE_BACK_AIM = Budget(Key.ROUTE_CHANGE_MS, worst=6000)

FROZEN = "the wire processes of all other nodes are stopped, so that nobody takes over"


def _frozen(must: Budget, inject: Fault) -> Control:
    return Control(FROZEN, inject, (must,), prepare=faults.successors_frozen)


UNDRAINED = Control("the node goes down without the drain", faults.node_dies, (NOTHING_LOST,))
NO_GRACE = Control(
    "the backend ends without a grace period", faults.endpoint_killed, (NOTHING_LOST,)
)
CALIBRATION = Control(
    what="a calibration: a cut of the LAN client for 500 ms must be measured as long as it was",
    inject=faults.cut_for_half_a_second,
    must=(Budget(Key.OFF_MS, worst=50),),
    calibration=True,
)

SCENARIOS = (
    Scenario(
        name="l2-node-crash",
        suite="l2",
        summary="The owner's node dies: all its cables at once, then all its processes.",
        layer2=True,
        inject=faults.node_dies,
        budgets=(CRASH,),
        aims=(L2_CRASH_AIM,),
        control=_frozen(CRASH, faults.node_dies),
    ),
    Scenario(
        name="l2-cable-pull",
        suite="l2",
        summary="The owner's LAN cable is pulled for 2 s; its management network stays up.",
        layer2=True,
        inject=faults.cable_pulled,
        budgets=(CRASH, DOUBLE_SHORT),
        aims=(L2_CRASH_AIM, DOUBLE_HEAL_AIM),
        control=_frozen(CRASH, faults.cable_pulled),
    ),
    Scenario(
        name="l2-drain",
        suite="l2",
        summary="The owner's speaker gets SIGTERM; its node goes down once it has exited.",
        layer2=True,
        inject=faults.drained,
        budgets=(NOTHING_LOST, ARP_KEPT, DOUBLE_SHORT),
        aims=(ARP_KEPT_AIM, DOUBLE_MOVE_AIM),
        control=UNDRAINED,
    ),
    Scenario(
        name="l2-speaker-kill",
        suite="l2",
        summary="The owner's wire process is killed for good; its node goes on forwarding.",
        layer2=True,
        inject=faults.wire_killed,
        budgets=(NOTHING_LOST, ARP_SOON),
        aims=(ARP_SOON_AIM,),
        control=CALIBRATION,
    ),
    Scenario(
        name="l2-partition",
        suite="l2",
        summary="The owner is parted from the rest of the LAN for 2 s, with its link up.",
        layer2=True,
        inject=faults.partitioned,
        budgets=(CRASH, DOUBLE_SHORT),
        aims=(L2_CRASH_AIM, DOUBLE_HEAL_AIM),
        control=_frozen(CRASH, faults.partitioned),
    ),
    Scenario(
        name="api-outage",
        suite="api",
        summary="The API server freezes; a second later the owner's node dies.",
        layer2=True,
        inject=faults.node_dies_without_api,
        budgets=(CRASH,),
        aims=(L2_CRASH_AIM,),
        control=CALIBRATION,
    ),
    Scenario(
        name="bgp-node-crash",
        suite="bgp",
        summary="One of the nodes that announce the address dies; BFD runs at 100 ms x 3.",
        layer2=False,
        inject=faults.node_dies,
        budgets=(CRASH,),
        aims=(BGP_CRASH_AIM,),
        control=Control(
            "the peer names no BFD profile",
            faults.node_dies,
            (CRASH,),
            prepare=faults.bfd_profile_removed,
        ),
    ),
    Scenario(
        name="bgp-drain",
        suite="bgp",
        summary="A node's speaker gets SIGTERM; its node goes down once it has exited.",
        layer2=False,
        inject=faults.drained,
        budgets=(NOTHING_LOST,),
        aims=(),
        control=UNDRAINED,
    ),
    Scenario(
        name="bgp-speaker-kill",
        suite="bgp",
        summary="A node's bgp process and its ExaBGP are killed; its node goes on forwarding.",
        layer2=False,
        inject=faults.bgp_killed,
        budgets=(NOTHING_LOST,),
        aims=(),
        control=CALIBRATION,
    ),
    Scenario(
        name="local-endpoint-gone",
        suite="policy",
        summary="Local: the backend on the owner's node is deleted and serves on while it ends.",
        layer2=True,
        inject=faults.endpoint_gone,
        budgets=(NOTHING_LOST, DOUBLE_SHORT),
        aims=(DOUBLE_MOVE_AIM,),
        control=NO_GRACE,
        backends=Backends.EVERYWHERE,
        policy="Local",
    ),
    Scenario(
        name="local-endpoint-gone-bgp",
        suite="policy",
        summary="The same for a node that announces by BGP: its route goes, nothing is lost.",
        layer2=False,
        inject=faults.endpoint_gone,
        budgets=(NOTHING_LOST,),
        aims=(),
        control=NO_GRACE,
        backends=Backends.EVERYWHERE,
        policy="Local",
    ),
    Scenario(
        name="local-endpoint-unready",
        suite="policy",
        summary="Local: a node's only backend fails its readiness probe; the node's route goes.",
        layer2=False,
        inject=faults.endpoint_unready,
        budgets=(ROUTE_GONE,),
        aims=(ROUTE_GONE_AIM,),
        control=CALIBRATION,
        backends=Backends.EVERYWHERE,
        policy="Local",
    ),
    Scenario(
        name="local-endpoint-back",
        suite="policy",
        summary="Local: a backend comes to a node whose kube-proxy is away for two seconds more.",
        layer2=False,
        inject=faults.endpoint_back,
        budgets=(NOTHING_LOST, ROUTE_LATE),
        aims=(ROUTE_BACK_AIM,),
        control=Control(
            "the node's speaker has its health gates off",
            faults.endpoint_back,
            (NOTHING_LOST,),
            prepare=faults.health_gates_off,
        ),
        policy="Local",
        after_s=4.0,
        arrives=True,
    ),
    Scenario(
        name="kube-proxy-restart",
        suite="policy",
        summary="Local: the owner's kube-proxy is away for 2 s; its rules stay, nothing moves.",
        layer2=True,
        inject=faults.proxy_restarted,
        budgets=(NOTHING_LOST, NOTHING_MOVED, NOBODY_DOUBLE),
        aims=(),
        control=CALIBRATION,
        backends=Backends.EVERYWHERE,
        policy="Local",
    ),
)

SUITES = tuple(dict.fromkeys(each.suite for each in SCENARIOS))


def find(names: tuple[str, ...], suite: str | None) -> tuple[Scenario, ...]:
    """Return the scenarios named, or those of a suite (`all` for every one), in their order.

    Raise LookupError that names what there is.
    """
    known = {each.name: each for each in SCENARIOS}
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            guess = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise LookupError(f"no drill {name!r}: {guess}")
    if suite is not None and suite not in (*SUITES, "all"):
        raise LookupError(f"no suite {suite!r}: there are all, {', '.join(SUITES)}")
    wanted = set(names)
    return tuple(each for each in SCENARIOS if each.name in wanted or suite in ("all", each.suite))
