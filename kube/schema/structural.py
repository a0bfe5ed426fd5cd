"""From a pydantic model to a structural OpenAPI v3 schema, as a CRD must have it.

References are put in place, optional values lose their null, titles and empty defaults go. What a
type cannot say (description, CEL rules, formats that MetalLB set otherwise) comes by path from the
tables of `kube.schema.words` and `kube.schema.rules`.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from kube.objects import Json

Overlay: TypeAlias = Mapping[str, Json]
"By path such as `spec.peers`; items of lists have the path of their list."

MAX_INT32 = 2**31 - 1
KEPT = ("type", "format", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems")
SELECTOR = "LabelSelector"
ATOMIC_MAPS = (SELECTOR, "SecretReference")


def structural(model: type[BaseModel], path: str, words: Mapping[str, str], extra: Overlay) -> Json:
    """Return the schema of the model found at `path` of its object; KeyError without words."""
    raw = model.model_json_schema(by_alias=True)
    return _Maker(raw.get("$defs") or {}, words, extra).schema(raw, path)


class _Maker:
    def __init__(self, defs: Json, words: Mapping[str, str], extra: Overlay) -> None:
        self._defs = defs
        self._words = words
        self._extra = extra

    def schema(self, raw: Json, path: str, *, described: bool = True) -> Json:
        """Return the schema for one value."""
        made: Json = {"description": self._words[path]} if described else {}
        if "$ref" in raw:
            name = raw["$ref"].rpartition("/")[2]
            default = {k: v for k, v in raw.items() if k == "default"}
            made |= self.schema(self._defs[name] | default, path, described=False)
            if name in ATOMIC_MAPS:
                made["x-kubernetes-map-type"] = "atomic"
            return made
        if "anyOf" in raw:
            (value,) = (each for each in raw["anyOf"] if each.get("type") != "null")
            return made | self.schema(value, path, described=False) | self._extra.get(path, {})
        made |= {key: raw[key] for key in KEPT if key in raw}
        made |= self._numbers(raw) | self._values(raw) | self._parts(raw, path)
        if self._default(raw) is not None:
            made["default"] = raw["default"]
        return made | (self._extra.get(path, {}) if described else {})

    def _numbers(self, raw: Json) -> Json:
        if raw.get("type") != "integer" or "format" in raw or "maximum" not in raw:
            return {}
        return {"format": "int32" if raw["maximum"] <= MAX_INT32 else "int64"}

    def _values(self, raw: Json) -> Json:
        # The empty text stands for "not given" in our models; in the API the field is left out.
        values = [each for each in raw.get("enum") or () if each != ""]
        return {"enum": values} if values else {}

    def _parts(self, raw: Json, path: str) -> Json:
        if raw.get("type") == "array":
            return {"items": self.schema(raw["items"], path, described=False)}
        if "additionalProperties" in raw:
            return {"additionalProperties": {"type": raw["additionalProperties"]["type"]}}
        properties = raw.get("properties")
        if properties is None:
            return {}
        parts: Json = {
            "properties": {
                key: self.schema(value, f"{path}.{key}") for key, value in properties.items()
            }
        }
        if raw.get("required"):
            parts["required"] = sorted(raw["required"])
        return parts

    def _default(self, raw: Json) -> Any:
        default = raw.get("default")
        # An empty text, list or object is what leaving the field out means anyway.
        return default if default and not isinstance(default, dict) else None
