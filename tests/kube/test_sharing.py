"""Who may have one address together: speakers and controller say the same."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sharing import clash, terms_of
from kube.objects import Service, ServicePort, TrafficPolicy
from kube.sharing import without_right
from tests.builders import service

SPECS = st.fixed_dictionaries(
    {
        "annotations": st.sampled_from(
            ({}, *({"metallb.io/allow-shared-ip": key} for key in ("k", "k", "l", "")))
        ),
        "ports": st.sets(st.integers(80, 83), min_size=1, max_size=2).map(
            lambda ports: tuple(ServicePort("TCP", port) for port in sorted(ports))
        ),
        "traffic_policy": st.sampled_from(tuple(TrafficPolicy)),
        "selector": st.sampled_from(({}, {"app": "x"}, {"app": "y"})),
    }
)


def may_share(one: Service, other: Service) -> bool:
    return clash(terms_of(one), terms_of(other)) is None


@given(st.lists(SPECS, max_size=6))
@settings(max_examples=80, deadline=None)
def test_who_stays_may_share_with_each_other_and_who_goes_not_with_all_of_them(
    specs: list[dict[str, object]],
) -> None:
    services = [service(f"s{number}", **spec) for number, spec in enumerate(specs)]

    losers = without_right(services)

    left = [each for each in services if each not in losers]
    assert services[:1] == left[:1]
    assert all(may_share(one, other) for one, other in combinations(left, 2))
    for each in losers:
        older = left[: sum(services.index(other) < services.index(each) for other in left)]
        assert not all(may_share(each, other) for other in older)
