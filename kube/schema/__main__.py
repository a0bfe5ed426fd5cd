"""`python -m kube.schema DIR`: write one YAML file for each CRD, and their kustomization."""

import sys
from pathlib import Path

from kube.schema.files import files


def main() -> None:
    """Write what has changed and say what was written."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m kube.schema DIR\nexample: python -m kube.schema manifests/crds")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
