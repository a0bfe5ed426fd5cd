"""One JSON line for each message of the seam, and back.

`encode` gives a line with the schema's version (`v`) and the message's type (`t`) first; `decode`
gives the message, or a `SeamFault` that says what is wrong with the line: it never raises, for
the line may be junk. Both are derived from the dataclasses in `speaker.seam.messages`, so a field
added there needs no code here. Fields at their defaults are left out.
"""

import dataclasses
import json
import math
import types
from collections.abc import Callable, Mapping
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, NoReturn, TypeAlias, Union, get_args, get_origin

from speaker.seam.messages import SCHEMA, Message

LINE_LIMIT = 1 << 20
"""Longest line in bytes: a SessionReport with some 50,000 prefixes still fits."""


class SeamFault(Enum):
    """What is wrong with a line; counted by this value."""

    OVERSIZE = "oversize"
    NOT_JSON = "not-json"
    WRONG_VERSION = "wrong-version"
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_FIELD = "unknown-field"
    MISSING_FIELD = "missing-field"
    BAD_VALUE = "bad-value"


class _RefusedError(Exception):
    """A field's value is not what its type says."""


Turn: TypeAlias = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """How one message type is written and read."""

    message: type[Any]
    fields: tuple[tuple[str, Turn, Any], ...]
    "Name, writer and default of each field."
    readers: Mapping[str, Turn]
    required: frozenset[str]


def encode(message: Message) -> bytes:
    """Return the message as one line, newline included."""
    shape = _SHAPES[type(message).__name__]
    line = {"v": SCHEMA, "t": type(message).__name__} | _written(message, shape)
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message | SeamFault:
    """Return the message in a line (with or without its newline), or what is wrong with it."""
    if len(line) > LINE_LIMIT:
        return SeamFault.OVERSIZE
    try:
        values = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError, _RefusedError):
        return SeamFault.NOT_JSON
    if not isinstance(values, dict):
        return SeamFault.NOT_JSON
    version = values.pop("v", None)
    if type(version) is not int or version != SCHEMA:
        return SeamFault.WRONG_VERSION
    name = values.pop("t", None)
    shape = _SHAPES.get(name) if isinstance(name, str) else None
    if shape is None:
        return SeamFault.UNKNOWN_TYPE
    result: Message | SeamFault = _read(values, shape)
    return result


def _read(values: dict[str, Any], shape: _Shape) -> Any:
    if not values.keys() <= shape.readers.keys():
        return SeamFault.UNKNOWN_FIELD
    if not shape.required <= values.keys():
        return SeamFault.MISSING_FIELD
    try:
        return shape.message(**{k: shape.readers[k](v) for k, v in values.items()})
    except (_RefusedError, ValueError, RecursionError):
        return SeamFault.BAD_VALUE


def _written(message: Any, shape: _Shape) -> dict[str, Any]:
    found = (
        (name, write, getattr(message, name), default) for name, write, default in shape.fields
    )
    return {name: write(value) for name, write, value, default in found if value != default}


def _refuse(_constant: str) -> NoReturn:
    # NaN would make every comparison with an age or an interval false.
    raise _RefusedError


def _shape(message: type[Any]) -> _Shape:
    fields = dataclasses.fields(message)
    return _Shape(
        message=message,
        fields=tuple((f.name, _writer(f.type), f.default) for f in fields),
        readers={f.name: _reader(f.type) for f in fields},
        required=frozenset(f.name for f in fields if f.default is dataclasses.MISSING),
    )


def _same(value: Any) -> Any:
    return value


def _writer(kind: Any) -> Turn:
    """Return what turns a value of this type into JSON's types."""
    if _is_address(kind) or _is_network(kind):
        return str
    if _is_optional(kind):
        inner = _writer(_without_none(kind))
        return lambda value: None if value is None else inner(value)
    if get_origin(kind) is tuple:
        item = _writer(get_args(kind)[0])
        return lambda values: [item(value) for value in values]
    if get_origin(kind) is Mapping:
        return dict
    if dataclasses.is_dataclass(kind):
        shape = _shape(kind)  # type: ignore[arg-type]  # a class here, never an instance
        return lambda value: _written(value, shape)
    if issubclass(kind, Enum):
        return lambda value: value.value
    return _same


def _reader(kind: Any) -> Turn:
    """Return what turns JSON's types into a value of this type, or raises."""
    if _is_address(kind):
        return _strict(str, ip_address if len(_members(kind)) > 1 else kind)
    if _is_network(kind):
        return _strict(str, ip_network if len(_members(kind)) > 1 else kind)
    if _is_optional(kind):
        inner = _reader(_without_none(kind))
        return lambda value: None if value is None else inner(value)
    if get_origin(kind) is tuple:
        item = _reader(get_args(kind)[0])
        return _strict(list, lambda values: tuple(item(value) for value in values))
    if get_origin(kind) is Mapping:
        number = _reader(get_args(kind)[1])
        return _strict(dict, lambda values: {k: number(v) for k, v in values.items()})
    if dataclasses.is_dataclass(kind):
        shape = _shape(kind)  # type: ignore[arg-type]  # a class here, never an instance
        return _strict(dict, lambda values: _nested(values, shape))
    if issubclass(kind, Enum):
        return _strict(str, kind)
    if kind is float:
        return _strict((int, float), _finite)
    return _strict(kind, _same)


def _finite(value: float) -> float:
    # A huge integer overflows, and 1e999 reads as infinity.
    try:
        number = float(value)
    except OverflowError as error:
        raise _RefusedError from error
    if not math.isfinite(number):
        raise _RefusedError
    return number


def _nested(values: dict[str, Any], shape: _Shape) -> Any:
    result = _read(values, shape)
    if isinstance(result, SeamFault):
        raise _RefusedError
    return result


def _strict(kinds: type | tuple[type, ...], turn: Turn) -> Turn:
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)

    def read(value: Any) -> Any:
        # Exact types: bool is an int to isinstance, and `true` is no port number.
        if type(value) not in allowed:
            raise _RefusedError
        return turn(value)

    return read


def _members(kind: Any) -> frozenset[Any]:
    if isinstance(kind, types.UnionType) or get_origin(kind) is Union:
        return frozenset(get_args(kind))
    return frozenset((kind,))


def _is_address(kind: Any) -> bool:
    return _members(kind) <= {IPv4Address, IPv6Address}


def _is_network(kind: Any) -> bool:
    return _members(kind) <= {IPv4Network, IPv6Network}


def _is_optional(kind: Any) -> bool:
    return types.NoneType in _members(kind)


def _without_none(kind: Any) -> Any:
    rest = tuple(member for member in get_args(kind) if member is not types.NoneType)
    return Union[rest]  # noqa: UP007  # built at run time


_SHAPES: Mapping[str, _Shape] = types.MappingProxyType(
    {message.__name__: _shape(message) for message in get_args(Message)}
)
