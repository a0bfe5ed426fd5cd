"""The text of each generated file."""

import yaml

from kube.schema.definitions import definitions

HEAD = "# Made from the models in kube/ by `make manifests`; edits here are lost.\n"


def files() -> dict[str, str]:
    """Return the files of the CRDs' folder by name."""
    made = {
        f"{plural}.yaml": _text(definition) for plural, definition in sorted(definitions().items())
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(made),
    }
    return made | {"kustomization.yaml": _text(kustomization)}


def _text(document: object) -> str:
    return HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: the same rule stands at each field it holds for."""

    def ignore_aliases(self, data: object) -> bool:
        """Tell YAML that nothing is shared."""
        return True
