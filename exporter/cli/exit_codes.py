"""Exit codes of the commands."""

from typing import Final

REFUSED: Final = 1
"""The configuration, a flag's value or the output does not allow the command to go on."""
FOUND: Final = 1
"""A check found at least one token."""
SWEEP_FAILED: Final = 2
"""A check could not see every token: the sweep failed, in part or completely, or could not begin."""
CRASHED: Final = 2
"""A defect. Not 1, which would tell the caller of a check that it found something."""
