"""Validates data against a schema, and converts pydantic's errors to faults with file, line and hint."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from exporter.config.errors import ConfigError, Fault, KeyPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic_core import ErrorDetails

    from exporter.config.document import Document

T = TypeVar("T")

_SECRETS = frozenset({"token", "password"})
"""Keys whose values must not stand in the configuration."""
_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a section with keys",
    "model_attributes_type": "a section with keys",
    "dict_type": "a section with keys",
}


def validated(adapter: TypeAdapter[T], document: Document, known_keys: Callable[[KeyPath], list[str]]) -> T:
    """The data of a document as frozen values of the schema.

    Args:
        adapter: the schema.
        document: the document.
        known_keys: returns the keys of the schema at a path, for "did you mean".

    Raises:
        ConfigError: with all faults.
    """
    try:
        result = adapter.validate_python(_tuples(document.data))
    except ValidationError as error:
        details = error.errors(include_url=False)
        # Pydantic also reports a list as too short if its entries are not valid; those have their own errors.
        found = [
            _fault(document, one, known_keys)
            for one in details
            if not (one["type"] == "too_short" and any(_below(other["loc"], one["loc"]) for other in details))
        ]
    else:
        found = []
    # One fault per path: a fault of the YAML causes those of the schema, so it comes first.
    faults: dict[str, Fault] = {}
    for fault in (*document.faults.values(), *found):
        faults.setdefault(fault.path, fault)
    if faults:
        raise ConfigError(sorted_faults(faults.values()))
    return result


def _below(loc: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(loc) > len(above) and loc[: len(above)] == above


def sorted_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Faults in the order of their lines, without duplicates."""
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.line is None, fault.line or 0)))


def _tuples(data: Any) -> Any:
    """Lists as tuples, which the strict frozen schema requires."""
    if isinstance(data, list):
        return tuple(_tuples(item) for item in data)
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    return data


def _fault(document: Document, details: ErrorDetails, known_keys: Callable[[KeyPath], list[str]]) -> Fault:
    path = _real_path(document.data, details["loc"])
    kind = details["type"]
    key = str(path[-1]) if path else "the file"
    if kind == "extra_forbidden":
        if key in _SECRETS and f"{key}_file" in known_keys(path[:-1]):
            # The name of a variable would be the closest key, but the value is the secret itself.
            return document.fault(path, "unknown key", f"put the {key} into a file, and set {key}_file to its path")
        close = difflib.get_close_matches(key, known_keys(path[:-1]), n=1, cutoff=0.5)
        known = ", ".join(known_keys(path[:-1]))
        return document.fault(path, "unknown key", f"did you mean {close[0]}?" if close else f"known keys: {known}")
    if kind == "missing":
        return document.fault(path, "is missing", "add it")
    if kind == "string_type" and (written := document.written.get(path)):
        value = details["input"]
        if value is not None:
            message = f"{key} {written} is not quoted, YAML reads it as {_as_read(value)}"
            return document.fault(path, message, f'write "{written}"')
    if kind in _EXPECTED:
        found = _kind_of(details["input"])
        if not path and details["input"] is None:
            return document.fault(path, "is empty", "see config.example.yaml for its keys")
        return document.fault(path, f"must be {_EXPECTED[kind]}, not {found}")
    if kind == "value_error":
        return document.fault_of(path, details["ctx"]["error"])
    if kind == "too_short":
        return document.fault(path, "is an empty list", "add at least one entry")
    return document.fault(path, details["msg"].replace("Input should be", "must be").replace("String should", "must"))


def _real_path(data: Any, loc: tuple[int | str, ...]) -> KeyPath:
    """Pydantic's location without the names of union branches and validators, which are not keys of the file."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        if isinstance(data, dict) and isinstance(part, str):
            last = index == len(loc) - 1
            if part not in data and not last:
                continue
            if part not in data and last and not _plausible_key(part):
                continue
            path.append(part)
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
            path.append(part)
            data = data[part]
    return tuple(path)


def _plausible_key(part: str) -> bool:
    return part.isidentifier()


def _as_read(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value}"
    return f"a {type(value).__name__} ({value})"


def _kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, dict):
        return "a section with keys"
    return f"a {type(value).__name__}"


def keys_of(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys of a model at a path below it."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part) if current is not None else None
        current = None if field is None else section_of(field.annotation)
    return [] if current is None else list(current.model_fields)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model in the annotation of a field: the annotation itself, in a tuple, or in a union with None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := section_of(argument)) is not None:
            return found
    return None
