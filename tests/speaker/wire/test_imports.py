import subprocess
import sys


def test_the_process_loads_nothing_but_the_standard_library_and_itself() -> None:
    program = (
        "import sys, speaker.wire.main;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(shown.stdout.split())
    foreign = {name for name in loaded if name not in sys.stdlib_module_names} - {"speaker"}

    assert {name for name in foreign if not name.startswith(("_", "__"))} == set()
