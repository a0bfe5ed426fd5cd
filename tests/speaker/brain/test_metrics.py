"""The brain's metrics: what their names and values promise to those who scrape them."""

from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tests.speaker.brain.readings import families


class Made(Collector):
    """Shows the families it was made of."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = tuple(found)

    def collect(self) -> Iterable[Metric]:
        return self._found


def page(found: Iterable[Metric]) -> list[str]:
    registry = CollectorRegistry()
    registry.register(Made(found))
    return generate_latest(registry).decode().splitlines()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("herald_wire_address_requests", "metallb_layer2_requests_received"),
        ("herald_wire_address_answers", "metallb_layer2_responses_sent"),
        ("herald_wire_address_gratuitous", "metallb_layer2_gratuitous_sent"),
    ],
)
def test_counters_of_an_address_have_metallbs_names_to_the_letter(ours: str, theirs: str) -> None:
    shown = page(families(wire={f"{ours}:ip=192.168.4.10": 3}).values())

    assert f'{theirs}{{ip="192.168.4.10"}} 3.0' in shown


@pytest.mark.parametrize(
    ("peers", "shown"),
    [
        pytest.param({}, {"wire": 1}, id="an installation for L2 alone"),
        pytest.param(
            {"tor": "192.168.4.1:179"}, {"wire": 1, "bgp": 0}, id="a peer and nobody to dial it"
        ),
    ],
)
def test_bgp_is_missed_only_where_there_is_a_peer(
    peers: dict[str, str], shown: dict[str, float]
) -> None:
    found = families(connected={"wire": True, "bgp": False}, peers=peers)

    samples = found["herald_seam_connected"].samples
    assert {each.labels["process"]: each.value for each in samples} == shown


def test_a_process_that_is_there_is_shown_and_a_missing_wire_too() -> None:
    found = families(connected={"wire": False, "bgp": True})

    samples = found["herald_seam_connected"].samples
    assert {each.labels["process"]: each.value for each in samples} == {"wire": 0, "bgp": 1}
