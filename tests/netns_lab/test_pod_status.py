"""What a lab's kubelet reports of a Pod is enough for `kubectl get pods`."""

from typing import Any

from netns_lab.pod_status import SILENCES_MAX, ContainerState, Readiness, all_alike, pod_status

POD: dict[str, Any] = {
    "metadata": {"name": "speaker"},
    "spec": {"containers": [{"name": "wire", "image": "herald"}, {"name": "brain"}]},
}
UP, DOWN = ContainerState(True), ContainerState(False, restarts=2)


def conditions(states: dict[str, ContainerState]) -> dict[str, str]:
    status = pod_status(POD, "192.168.4.101", ("10.244.1.2", "fd00:244:1::2"), states)
    return {each["type"]: each["status"] for each in status["conditions"]}


def test_each_container_is_told() -> None:
    status = pod_status(POD, "192.168.4.101", ("10.244.1.2",), {"wire": UP, "brain": DOWN})

    told = [(c["name"], c["ready"], c["restartCount"]) for c in status["containerStatuses"]]
    assert told == [("wire", True, 0), ("brain", False, 2)]
    assert all("running" in each["state"] for each in status["containerStatuses"])


def test_a_pod_is_ready_when_all_its_containers_are() -> None:
    assert conditions(all_alike(POD, ready=True))["Ready"] == "True"
    assert conditions({"wire": UP, "brain": DOWN})["Ready"] == "False"
    assert conditions({"wire": UP})["ContainersReady"] == "False"
    assert conditions({})["Initialized"] == "True"


def test_all_addresses_are_told_and_the_first_is_the_pods_own() -> None:
    status = pod_status(POD, "192.168.4.101", ("10.244.1.2", "fd00:244:1::2"), {})

    assert (status["hostIP"], status["podIP"]) == ("192.168.4.101", "10.244.1.2")
    assert [each["ip"] for each in status["podIPs"]] == ["10.244.1.2", "fd00:244:1::2"]


def test_a_probe_that_goes_unanswered_is_no_verdict_and_silence_that_lasts_is() -> None:
    readiness = Readiness()
    assert [readiness.judge(1, answer) for answer in (None, 200, None)] == [False, True, True]
    assert readiness.judge(1, 200)
    assert [readiness.judge(1, None) for _ in range(SILENCES_MAX)][-2:] == [True, False]


def test_what_says_that_it_is_not_ready_is_not() -> None:
    readiness = Readiness()
    assert [readiness.judge(1, answer) for answer in (200, 503, None, 200)] == [
        *(True, False),
        *(False, True),
    ]


def test_a_container_started_anew_is_not_ready_before_it_answers() -> None:
    readiness = Readiness()
    assert readiness.judge(1, 200)
    assert [readiness.judge(2, answer) for answer in (None, 200)] == [False, True]
