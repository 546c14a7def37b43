"""Lines of the text format, in UTF-8. Lines of gauges are the same in OpenMetrics, so one text serves both formats."""

from __future__ import annotations

import functools
from operator import itemgetter
from typing import TYPE_CHECKING

from exporter.model.token import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.metrics.families.base import Family, Sample


def head(family: Family) -> bytes:
    """The HELP and TYPE lines of a family."""
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.kind}\n".encode()


def lines(family: Family, samples: Iterable[Sample], more: tuple[str, ...] = ()) -> bytes:
    """The lines of some samples; ``more`` are label names beyond those of the family."""
    found = list(samples)
    if not found:
        return b""
    names = (*family.labels, *more) if more else family.labels
    template, ordered = _template(family.name, names)
    text = "".join([template % (*ordered(values), _number(value)) for values, value in found])
    # Few labels need escaping. One that does adds to what the templates contain.
    if "\\" in text or text.count('"') != 2 * len(names) * len(found) or text.count("\n") != len(found):
        escaped = [(tuple([_escaped(value) for value in values]), value) for values, value in found]
        text = "".join([template % (*ordered(values), _number(value)) for values, value in escaped])
    return text.encode()


def block(family: Family, samples: Iterable[Sample], more: tuple[str, ...] = ()) -> bytes:
    """A family with all its samples; ``more`` are label names beyond those of the family."""
    return head(family) + lines(family, samples, more)


@functools.lru_cache(maxsize=256)
def _template(name: str, labels: tuple[str, ...]) -> tuple[str, Callable[[tuple[str, ...]], tuple[str, ...]]]:
    """A format string for a family's lines, and a function that brings label values into its order.

    Labels are in alphabetical order, as prometheus_client writes them.
    """
    order = sorted(range(len(labels)), key=labels.__getitem__)
    pairs = ",".join([f'{labels[position]}="%s"' for position in order])
    ordered = itemgetter(*order) if len(labels) > 1 else tuple
    return (f"{name}{{{pairs}}} %s\n" if pairs else f"{name} %s\n"), ordered


def _escaped(value: str) -> str:
    """A label value, escaped for both formats."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return "+Inf" if value == NEVER else repr(float(value))
