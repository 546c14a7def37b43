"""Exit codes of the commands."""

from typing import Final

REFUSED: Final = 1
"""The configuration, a flag's value or the output does not allow the command to go on."""
FOUND: Final = 1
"""A check found at least one token."""
INCOMPLETE: Final = 2
"""A check could not begin, no user could be polled, or the result could not be written."""
PARTLY_FAILED: Final = 3
"""More users than allowed could not be polled; none of the others has a token that a check looks for."""
CRASHED: Final = 2
"""A defect. Not 1, which would tell the caller of a check that it found something."""
