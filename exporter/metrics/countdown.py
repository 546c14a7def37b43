"""The lines of a relative family: those of the family with its expiry timestamps, with the time left as their value.

Only the values change with time. So the text around them is kept compressed, and formatted with new values at a scrape.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.metrics.deflate import compressed

if TYPE_CHECKING:
    from exporter.metrics.deflate import Segment

_FINITE = re.compile(rb" ([^ \n+][^ \n]*)\n")
"""The end of a line: a value other than +Inf. No value contains a space, and none begins with a plus otherwise."""


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
    # In a label, a newline is written as two characters.
    lines = b"\n" + text.replace(b"%", b"%%")
    lines = lines.replace(b"\n" + expiry.encode(), b"\n" + relative.encode())
    expiries = array("d", map(float, _FINITE.findall(lines)))
    return Countdown(compressed(_FINITE.sub(rb" %.3f\n", lines)[1:]), expiries)
