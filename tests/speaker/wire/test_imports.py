import subprocess
import sys


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules of a fresh interpreter after the statement."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True
    )
    return set(shown.stdout.split())


def test_the_process_loads_nothing_but_the_standard_library_and_itself() -> None:
    of_the_installation = loaded_by("pass")
    loaded = loaded_by("import speaker.wire.main") - of_the_installation
    foreign = {name for name in loaded if name not in sys.stdlib_module_names}

    assert foreign == {"speaker"}
