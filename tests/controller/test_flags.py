"""The controller's flags: what is refused, by flag or by variable, and how it is said."""

import json
import os
import subprocess
import sys

import pytest

VARIABLES = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("HERALD_", "KUBERNETES_"))
}


def controller(*flags: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `herald-controller` to its end."""
    return subprocess.run(
        [sys.executable, "-c", "from controller.main import main; main()", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        env=VARIABLES | variables,
        check=False,
    )


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
def test_what_makes_no_sense_is_refused(flag: str, value: str, by_variable: bool) -> None:
    name = f"HERALD_{flag.replace('-', '_').upper()}"
    done = controller(**{name: value}) if by_variable else controller(f"--{flag}={value}")

    assert done.returncode == 2
    assert f"argument --{flag}: " in done.stderr
    assert "Traceback" not in done.stderr


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
def test_without_credentials_one_sentence_says_what_to_give(flags: list[str], says: str) -> None:
    done = controller(*flags)

    assert done.returncode == 2
    [line] = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["event"], line["error"]) == ("cannot run", says)
    assert "exception" not in line
