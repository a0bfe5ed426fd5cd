"""Entering network namespaces: a socket stays in the namespace that it was made in.

`setns` moves only the calling thread, so `inside` may be used on an event loop's thread as long as
nothing is awaited within it.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
FOLDER = Path("/run/netns")

_libc = ctypes.CDLL(None, use_errno=True)
Result = TypeVar("Result")


def enter(namespace: str) -> None:
    """Move the calling thread into the named namespace for good."""
    fd = os.open(FOLDER / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(fd)
    finally:
        os.close(fd)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Run the block in the named namespace; await nothing within it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(namespace)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def run_in(namespace: str, work: Callable[[], Result]) -> Result:
    """Return what `work` returns when run by a thread of its own inside the namespace."""
    with ThreadPoolExecutor(1, initializer=enter, initargs=(namespace,)) as pool:
        return pool.submit(work).result()


def existing(prefix: str) -> list[str]:
    """Return the named namespaces that start with `prefix`."""
    if not FOLDER.is_dir():
        return []
    return sorted(entry.name for entry in FOLDER.iterdir() if entry.name.startswith(prefix))


def process_ids(namespaces: list[str]) -> set[int]:
    """Return the processes that live in any of the namespaces."""
    wanted = set()
    for name in namespaces:
        try:
            status = (FOLDER / name).stat()
        except FileNotFoundError:
            continue
        wanted.add((status.st_dev, status.st_ino))
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                status = (entry / "ns/net").stat()
            except OSError:  # it ended meanwhile, or is a zombie
                continue
            if (status.st_dev, status.st_ino) in wanted:
                found.add(int(entry.name))
    return found


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
