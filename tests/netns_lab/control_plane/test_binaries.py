"""Where the real control plane's programs are looked for, and in which order."""

from pathlib import Path

import pytest

from netns_lab.control_plane.binaries import ALL, VERSION, cache_folder, find


def _program(folder: Path, name: str, says: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}


def test_nothing_there_names_all_that_is_missing(environment: dict[str, str]) -> None:
    assert find(environment)[1] == ALL


def test_assets_come_before_the_cache(environment: dict[str, str], tmp_path: Path) -> None:
    environment["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
    cached = _program(cache_folder(environment), "kube-scheduler")
    assert find(environment)[0]["kube-scheduler"] == cached
    given = _program(tmp_path / "assets", "kube-scheduler")

    assert find(environment)[0]["kube-scheduler"] == given


def test_a_program_on_the_path_counts_only_at_the_pinned_version(
    environment: dict[str, str], tmp_path: Path
) -> None:
    _program(tmp_path / "path", "kubectl", "Client Version: v1.32.4")
    other = _program(tmp_path / "path", "kube-apiserver", f"Kubernetes {VERSION}")
    found, missing = find(environment)

    assert found["kube-apiserver"] == other
    assert "kubectl" in missing


def test_any_etcd_on_the_path_will_do(environment: dict[str, str], tmp_path: Path) -> None:
    etcd = _program(tmp_path / "path", "etcd")

    assert find(environment)[0]["etcd"] == etcd


def test_a_file_that_cannot_be_run_is_not_taken(environment: dict[str, str]) -> None:
    _program(cache_folder(environment), "kubectl").chmod(0o644)

    assert "kubectl" in find(environment)[1]
