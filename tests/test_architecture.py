"""The house rules that a machine can hold: purity, layers, sizes, docstrings.

Pure by default: a module of the daemons may touch the world only if its name says so. Everything
else imports from an allow list and reads no clock, randomness, environment or file.
"""

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("kube", "controller", "speaker", "herald", "netns-lab/netns_lab")
PURE_PACKAGES = ("kube", "controller", "speaker")
SMALL_PARTS = ("wire", "hello", "l2", "bfd", "bgp", "seam")

IN_ANOTHER_PROCESS = ROOT / "speaker/bgp/launcher.py"
"Runs inside ExaBGP, as the program that starts it; nothing of ours imports it."
IO_NAMES = frozenset(
    {
        "main",
        "__main__",
        "driver",
        "sockets",
        "netlink",
        "client",
        "process",
        "reconciler",
        "prober",
        "webhook",
        "pod",
    }
)
ALLOWED = frozenset(
    {
        "abc",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "difflib",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "struct",
        "types",
        "typing",
        "zlib",
    }
)
ALLOWED_OUTSIDE = frozenset({"cryptography", "pydantic", "prometheus_client", "yaml"})
"Values, counters and texts: none touches the world. Not for the small parts of the speaker."
ALLOWED_NAMES = frozenset(
    {("datetime", "datetime"), ("datetime", "timedelta"), ("datetime", "UTC")}
)
"Parsing and comparing points in time is pure; reading the clock is a forbidden call."
FORBIDDEN_CALLS = frozenset(
    {"open", "print", "input", "exec", "eval", "__import__", "breakpoint", "globals"}
)
FORBIDDEN_ATTRIBUTES = frozenset({"now", "today", "utcnow"})
CLOCKS = frozenset({"datetime", "date"})
SLEEPS = frozenset({"sleep", "wait_for", "call_later", "call_at", "Timer"})
MOCK = "unittest.mock"
VIRTUAL_CLOCK = ROOT / "tests/kube/clock.py"
"Its sleep asserts that the clock is virtual."
MAX_FILE = 350
MAX_TEST_FILE = 500
MAX_FUNCTION = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules ask about one file: its tree is walked once and then let go."""

    documented: bool
    imports: list[tuple[int, str, str]]
    "Line, module and name (empty for a whole module) of each import, nested ones included."
    forbidden: list[str]
    lengths: dict[str, int]
    "Lines of each function."


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def title(path: Path) -> str:
    return str(path.relative_to(ROOT))


def pure_modules() -> list[Path]:
    every = modules(*PURE_PACKAGES)
    return [p for p in every if p.stem not in IO_NAMES and p != IN_ANOTHER_PROCESS]


@cache
def facts(path: Path) -> Facts:
    return learn(path.read_text())


def learn(source: str) -> Facts:
    tree = ast.parse(source)
    found = Facts(not tree.body or ast.get_docstring(tree) is not None, [], [], {})
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                found.imports.extend((node.lineno, each.name, "") for each in node.names)
            case ast.ImportFrom():
                module = node.module or ""
                found.imports.extend((node.lineno, module, each.name) for each in node.names)
            case ast.Call():
                if why := forbidden(node):
                    found.forbidden.append(f"{node.lineno}: {why}")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                length = (node.end_lineno or 0) - node.lineno + 1
                found.lengths[f"{node.lineno} {node.name}"] = length
    return found


def impurity(module: str, name: str) -> str:
    """Why a pure module must not import this; empty if it may."""
    top = module.split(".", maxsplit=1)[0]
    if (module, name) in ALLOWED_NAMES:
        return ""
    if top in PURE_PACKAGES:
        own = ROOT / Path(*module.split("."), f"{name}.py")
        last = name if name and own.exists() else module.rsplit(".", maxsplit=1)[-1]
        return f"{module} does I/O" if last in IO_NAMES else ""
    if top in ALLOWED or top in ALLOWED_OUTSIDE:
        return ""
    return f"{module} is not on the allow list of pure modules"


def forbidden(node: ast.Call) -> str:
    """What a call does that a pure module must not; empty if nothing."""
    match node.func:
        case ast.Name(id=called) if called in FORBIDDEN_CALLS:
            return f"calls {called}()"
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if (
            owner in CLOCKS and attribute in FORBIDDEN_ATTRIBUTES
        ):
            return f"reads the clock by {owner}.{attribute}()"
    return ""


def impurities(found: Facts) -> list[str]:
    bad = [f"{line}: {why}" for line, m, n in found.imports if (why := impurity(m, n))]
    return bad + found.forbidden


def test_modules_without_an_io_name_are_pure() -> None:
    found = [f"{title(path)}:{why}" for path in pure_modules() for why in impurities(facts(path))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import time", id="clock"),
        pytest.param("import random", id="randomness"),
        pytest.param("import logging", id="logging"),
        pytest.param("from os import environ", id="environment"),
        pytest.param("import asyncio", id="asyncio"),
        pytest.param("from kube.client import Client", id="client"),
        pytest.param("from kube import client", id="client as a name"),
        pytest.param("def f():\n    import socket", id="socket in a function"),
        pytest.param("open('x')", id="file"),
        pytest.param("from datetime import datetime\ndatetime.now()", id="wall clock"),
    ],
)
def test_the_purity_check_finds(source: str) -> None:
    assert len(impurities(learn(source))) == 1


def test_every_module_says_what_it_is() -> None:
    assert [title(p) for p in modules(*PACKAGES) if not facts(p).documented] == []


def test_files_stay_small() -> None:
    limits = dict.fromkeys(modules(*PACKAGES), MAX_FILE)
    limits |= dict.fromkeys(modules("tests"), MAX_TEST_FILE)
    lines = {path: path.read_text().count("\n") for path in limits}
    assert [f"{title(p)}: {lines[p]}" for p, most in limits.items() if lines[p] > most] == []


def test_functions_stay_small() -> None:
    lengths = {
        f"{title(path)}:{name}": length
        for path in modules(*PACKAGES)
        for name, length in facts(path).lengths.items()
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION} == {}


def test_every_tests_folder_is_a_package() -> None:
    """Or `tests/speaker` would shadow `speaker`."""
    folders = {path.parent for path in modules("tests")}
    assert [title(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


@pytest.mark.parametrize("part", SMALL_PARTS)
def test_parts_beside_the_network_use_the_standard_library_only(part: str) -> None:
    """The layers of import-linter forbid named libraries; this forbids all of them."""
    standard = sys.stdlib_module_names | {"speaker"}
    foreign = [
        f"{title(path)}: {module}"
        for path in modules(f"speaker/{part}")
        if path != IN_ANOTHER_PROCESS
        for _, module, _ in facts(path).imports
        if module.split(".")[0] not in standard
    ]
    assert foreign == []


def waits_or_mocks(source: str) -> list[int]:
    """The lines of a test that name, under whatever alias, a way to pass time or to mock."""
    if not any(word in source for word in SLEEPS | {"mock"}):
        return []
    return sorted(
        {
            getattr(node, "lineno", 0)
            for node in ast.walk(ast.parse(source))
            if names(node) & SLEEPS or MOCK in names(node)
        }
    )


def names(node: ast.AST) -> set[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return {name}
        case ast.Import(names=found):
            return {each.name for each in found}
        case ast.ImportFrom(module=module, names=found):
            return {module or "", *(f"{module}.{each.name}" for each in found)} | {
                each.name for each in found
            }
    return set()


def test_tests_neither_mock_nor_sleep() -> None:
    """They wait by `tests/waiting.py`, or on a virtual clock; only the lab's tests may poll."""
    own = {Path(__file__), VIRTUAL_CLOCK}
    paths = [p for p in modules("tests") if "lab" not in p.relative_to(ROOT).parts]
    found = {title(path): waits_or_mocks(path.read_text()) for path in paths if path not in own}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("time.sleep(1)", id="sleep"),
        pytest.param("await asyncio.sleep(0)", id="asyncio's"),
        pytest.param("from asyncio import sleep as pause", id="under another name"),
        pytest.param("pause = time.sleep", id="as a value"),
        pytest.param("getattr(time, 'sleep')(1)", id="by its name"),
        pytest.param("await asyncio.wait_for(gone.wait(), 0.01)", id="wait that runs out"),
        pytest.param("loop.call_later(0.01, look)", id="timer"),
        pytest.param("from threading import Timer", id="timer of a thread"),
        pytest.param("from unittest import mock", id="mock"),
        pytest.param("from unittest.mock import patch", id="patch"),
    ],
)
def test_the_check_of_tests_finds(source: str) -> None:
    assert waits_or_mocks(source) == [1]


def test_layers_hold() -> None:
    """Import-linter, by the contracts in pyproject.toml."""
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_ruff_forbids_the_same_as_we_do() -> None:
    """Wall clock and mocks are banned by name too, for packages that are not pure."""
    config = (ROOT / "pyproject.toml").read_text()
    assert '"time.time".msg' in config
    assert '"unittest.mock".msg' in config
