"""The ExaBGP child: started through the launcher, spoken to through the pipes of its API process.

ExaBGP insists on forking its API process itself. That process is `/bin/sleep infinity`; what is
said to it and by it goes through its standard streams, which the kernel lets us open in /proc.
Whoever stops reading there blocks ExaBGP, so lines are always read. The kernel ties ExaBGP to us,
and the API process to ExaBGP (see launcher).
"""

import asyncio
import contextlib
import logging
import os
import re
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from speaker.bgp.commands import (
    ALIGN,
    ALIGN_ANSWER,
    RELOAD,
    Acknowledged,
    AnswerLine,
    Negotiated,
    Reloaded,
    Session,
    parse_line,
)
from speaker.bgp.config import ENVIRONMENT

ACK_LIMIT_S = 2.0
"""Silence after a command. The slowest acknowledgement seen took 0.1 s; a long answer comes in
pieces, and each of them is a sign of life."""

ANSWER_LIMIT_S = 30.0

START_LIMIT_S = 30.0
"""A start takes 1 s of CPU. One that a busy machine has no time for must not be ended and begun
anew; one that dies is noticed at once."""
ATTACH_LIMIT_S = 10.0
"""A running ExaBGP starts its API process anew within a second, or never."""

RELOAD_LIMIT_S = 5.0
STOP_LIMIT_S = 2.0
VALIDATE_LIMIT_S = START_LIMIT_S
_POLL_S = 0.01
_READ_SIZE = 1 << 16
_KEPT_WORDS = 12
_WORDS_LIMIT_S = 0.5
_GIST_LIMIT = 300
_ORNAMENTS = ("advice", "Traceback", "File ")
_SECRET = re.compile(r"(md5-password) \S+")
_HELPER = "sleep"

LOG = logging.getLogger(__name__)


class ExaBgpError(Exception):
    """ExaBGP died, hangs, or doesn't start: it must be started anew."""


class PipeError(Exception):
    """The API process died; ExaBGP, its sessions and routes live on, with a new one."""


class ConfigFileError(Exception):
    """The config file can't be written; ExaBGP goes on with what it has."""


class ExaBgp:
    """The child. `ask` wants one caller at a time.

    `hear` is called with each event, and with None when the pipes have ended.
    """

    def __init__(self, run_dir: Path, hear: Callable[[Session | Negotiated | None], None]) -> None:
        self._config = run_dir / "exabgp.conf"
        self._hear = hear
        self._child: asyncio.subprocess.Process | None = None
        self._words: asyncio.Task[None] | None = None
        self._last_words: deque[str] = deque(maxlen=_KEPT_WORDS)
        self._helper = 0
        self._read_fd = -1
        self._write_fd = -1
        self._rest = b""
        self._lines: list[str] = []
        self._answer: asyncio.Future[bool] | None = None
        self._answer_ends = 0.0
        self._patience: asyncio.Timeout | None = None
        self._reloaded: asyncio.Future[Reloaded] | None = None

    @property
    def alive(self) -> bool:
        """Whether the child runs, as far as is known."""
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int:
        """The child's process id; 0 if there is none."""
        return self._child.pid if self._child is not None and self.alive else 0

    @property
    def attached(self) -> bool:
        """Whether its pipes are open."""
        return self._read_fd >= 0

    async def start(self, config: str) -> None:
        """Start with this config."""
        await self.stop()
        self._write_config(self._config, config)
        self._last_words.clear()
        self._child = await _launch("server", self._config)
        self._words = asyncio.create_task(self._keep_words(self._child))
        await self.attach(START_LIMIT_S)
        LOG.info("exabgp-started", extra={"fields": {"pid": self.pid}})

    async def attach(self, limit_s: float = ATTACH_LIMIT_S) -> None:
        """Open the API process's pipes, once there is one that we have not had."""
        self._close_pipes()
        try:
            async with asyncio.timeout(limit_s):
                # the kernel tells of a new child by no event
                while not self._open_pipes():
                    await asyncio.sleep(_POLL_S)
                    if not self.alive:
                        raise ExaBgpError(f"it ended: {await self._last_said()}")
        except TimeoutError:
            raise ExaBgpError("it has no API process") from None
        asyncio.get_running_loop().add_reader(self._read_fd, self._read)
        await self._align()

    async def ask(self, command: str) -> tuple[bool, list[str]]:
        """Return whether the command was done, and the lines it was answered with."""
        return await self._listen(command.encode() + b"\n")

    async def _listen(self, line: bytes = b"") -> tuple[bool, list[str]]:
        """Send the line, and return the next acknowledgement and what comes before it."""
        self._lines = []
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._answer_ends = loop.time() + ANSWER_LIMIT_S
        try:
            async with asyncio.timeout(ACK_LIMIT_S) as self._patience:
                if line and os.write(self._write_fd, line) != len(line):
                    raise ExaBgpError("it doesn't read its commands")
                done = await self._answer
        except TimeoutError:
            raise ExaBgpError(f"no answer in {ACK_LIMIT_S:g} s") from None
        except OSError as error:
            raise await self._lost(error) from None
        finally:
            self._answer = self._patience = None
        return done, self._lines

    async def reload(self, config: str) -> Reloaded:
        """Change the config; a refused one leaves ExaBGP as it was."""
        self._write_config(self._config, config)
        self._reloaded = asyncio.get_running_loop().create_future()
        try:
            await self.ask(RELOAD)
            async with asyncio.timeout(RELOAD_LIMIT_S):
                return await self._reloaded
        except TimeoutError:
            raise ExaBgpError("no word on its reload") from None
        except OSError as error:
            raise await self._lost(error) from None
        finally:
            self._reloaded.cancel()
            self._reloaded = None

    async def validate(self, config: str) -> str:
        """Return why ExaBGP would refuse the config; empty if it would not."""
        path = self._config.with_name("validate.conf")
        self._write_config(path, config)
        child = await _launch("validate", path)
        try:
            async with asyncio.timeout(VALIDATE_LIMIT_S):
                said, words = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            return ""
        finally:
            path.unlink(missing_ok=True)
        return _gist((said or words).decode(errors="replace")) if child.returncode else ""

    async def stop(self) -> None:
        """End the child at once; its sessions drop."""
        await self._end(lambda child: child.kill())

    async def terminate(self) -> None:
        """Ask the child to end, and see that it does."""
        await self._end(lambda child: child.terminate())

    # -- inside

    async def _end(self, how: Callable[[asyncio.subprocess.Process], None]) -> None:
        self._close_pipes()
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            how(child)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        if self._words is not None:
            await self._words

    async def _last_said(self) -> str:
        """Return what an ended child said on stderr before."""
        if self._words is not None:
            await asyncio.wait([self._words], timeout=_WORDS_LIMIT_S)
        return _gist("\n".join(self._last_words))

    async def _align(self) -> None:
        """See that the next acknowledgement is the next command's.

        An answer that was on its way when the API process died comes to the next one.
        """
        done, lines = await self.ask(ALIGN)
        while not any(line.startswith(ALIGN_ANSWER) for line in lines):
            done, lines = await self._listen()
        if not done:
            raise ExaBgpError("it refuses to say how its neighbours are")

    async def _lost(self, error: OSError) -> PipeError | ExaBgpError:
        """Return what has been lost: only the pipes, or all."""
        self._close_pipes()
        if self._child is None:
            return ExaBgpError(str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5 * _POLL_S):  # its pipes close a moment before it is reaped
                await self._child.wait()
        return (PipeError if self.alive else ExaBgpError)(str(error))

    def _write_config(self, path: Path, config: str) -> None:
        new = path.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(config)
            new.rename(path)  # ExaBGP never sees half a file
        except OSError as error:
            raise ConfigFileError(str(error)) from None

    def _open_pipes(self) -> bool:
        helper = _child_named(self.pid, _HELPER)
        if helper in (0, self._helper):
            return False
        try:
            self._read_fd = os.open(f"/proc/{helper}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
            self._write_fd = os.open(f"/proc/{helper}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            self._close_pipes()
            return False
        self._helper = helper
        return True

    def _close_pipes(self) -> None:
        if self._read_fd >= 0:
            asyncio.get_running_loop().remove_reader(self._read_fd)
        for descriptor in (self._read_fd, self._write_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._read_fd = self._write_fd = -1
        self._rest = b""

    def _read(self) -> None:
        try:
            chunk = os.read(self._read_fd, _READ_SIZE)
        except BlockingIOError:
            return
        if not chunk:
            self._close_pipes()
            for waiting in (self._answer, self._reloaded):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(BrokenPipeError("the API process has ended"))
            self._hear(None)
            return
        if self._patience is not None and self._answer is not None and not self._answer.done():
            until = asyncio.get_running_loop().time() + ACK_LIMIT_S
            self._patience.reschedule(min(until, self._answer_ends))
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace"))

    def _take(self, text: str) -> None:
        line = parse_line(text)
        if isinstance(line, Acknowledged):
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(line.ok)
        elif isinstance(line, AnswerLine):
            self._lines.append(line.text)
        elif isinstance(line, Reloaded):
            if self._reloaded is not None and not self._reloaded.done():
                self._reloaded.set_result(line)
        elif line is not None:
            self._hear(line)

    async def _keep_words(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None
        while line := await child.stderr.readline():
            text = line.decode(errors="replace").strip()
            if text:
                self._last_words.append(text)
                LOG.debug("exabgp-says", extra={"fields": {"text": text}})


async def _launch(verb: str, config: Path) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "speaker.bgp.launcher", verb, str(config), str(os.getpid()),
            env={**os.environ, **ENVIRONMENT},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if verb == "validate" else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:  # no process or memory to be had
        raise ExaBgpError(str(error)) from None


def _child_named(parent: int, name: str) -> int:
    """Return the id of the child that has become `name`; 0 while there is none."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == name:
                return int(child)
    return 0


def _gist(words: str) -> str:
    """Return ExaBGP's last words in one line, without ornaments, files' names and secrets."""
    lines = (line.removeprefix("configuration").strip() for line in words.splitlines())
    kept = (line for line in lines if line and not line.startswith(_ORNAMENTS))
    return _SECRET.sub(r"\1 …", " ".join(k for k in kept if ".conf" not in k))[-_GIST_LIMIT:]
