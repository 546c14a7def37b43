"""The lines of a relative family: those of the family with its expiry timestamps, with the time left as their value.

Only the values change with time. So the text around them is kept compressed, and formatted with new values at a scrape.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.metrics.deflate import compressed

if TYPE_CHECKING:
    from exporter.metrics.deflate import Segment

_NEVER = b"+Inf"


@dataclass(frozen=True, slots=True)
class Countdown:
    """Lines of a relative family without their values.

    Attributes:
        template: a format string in place of the lines, compressed.
        expiries: the epoch seconds that its values count down to. Must not be modified.
    """

    template: Segment
    expiries: array[float]

    def at(self, now: float) -> Segment:
        """The lines at the time ``now``, in epoch seconds."""
        # Also without values: a percent sign is doubled in the template.
        return compressed(self.template.text % tuple([expires_at - now for expires_at in self.expiries]))


def countdown(text: bytes, expiry: str, relative: str) -> Countdown:
    """The countdown for the lines of an expiry family.

    Args:
        text: complete lines of the expiry family.
        expiry: the name of the expiry family.
        relative: the name of the relative family.
    """
    start, name, expiries = len(expiry), relative.encode(), array("d")
    template = []
    # Not `splitlines`: a label may contain a carriage return.
    for line in text.replace(b"%", b"%%").split(b"\n")[:-1]:
        series, _, value = line.rpartition(b" ")
        if value == _NEVER:
            template.append(b"%b%b +Inf\n" % (name, series[start:]))
        else:
            template.append(b"%b%b %%.3f\n" % (name, series[start:]))
            expiries.append(float(value))
    return Countdown(compressed(b"".join(template)), expiries)
