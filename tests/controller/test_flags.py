"""The controller's flags: what is refused, by flag or by variable, and how it is said."""

import json
import os
from dataclasses import dataclass

import pytest

from controller.main import main


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended, and what it wrote."""

    code: object
    stderr: str


class Controller:
    """`herald-controller` with no variables but those given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in os.environ:
            if name.startswith(("HERALD_", "KUBERNETES_")):
                monkeypatch.delenv(name)

    def run(self, *flags: str, **variables: str) -> Done:
        """Run it to its end."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(flags)
        return Done(ended.value.code, self._capsys.readouterr().err)


@pytest.fixture
def controller(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logs: None
) -> Controller:
    return Controller(monkeypatch, capsys)


@pytest.mark.parametrize("by_variable", [False, True], ids=["flag", "variable"])
@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("beside-metallb", "never"),
        ("log-level", "loud"),
        ("lease-s", "0"),
        ("lease-s", "-15"),
        ("lease-s", "nan"),
        ("metrics-port", "-1"),
        ("health-port", "65536"),
        ("webhook-port", "http"),
    ],
)
def test_what_makes_no_sense_is_refused(
    controller: Controller, flag: str, value: str, by_variable: bool
) -> None:
    name = f"HERALD_{flag.replace('-', '_').upper()}"
    done = controller.run(**{name: value}) if by_variable else controller.run(f"--{flag}={value}")

    assert done.code == 2
    assert f"argument --{flag}: " in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        pytest.param(
            ["--kubeconfig=/nonexistent"],
            "no credentials in /nonexistent: there is no such file: name a kubeconfig file by "
            "--kubeconfig",
            id="no such file",
        ),
        pytest.param(
            [],
            "no credentials in the Pod's service account: Service host/port is not set: name a "
            "kubeconfig file by --kubeconfig",
            id="outside a Pod",
        ),
    ],
)
def test_without_credentials_one_sentence_says_what_to_give(
    controller: Controller, flags: list[str], says: str
) -> None:
    done = controller.run(*flags)

    assert done.code == 2
    [line] = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["event"], line["error"]) == ("cannot run", says)
    assert "exception" not in line
