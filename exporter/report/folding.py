"""Which of many violations a page shows, so that every policy is represented. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.report.summary import PolicyCount, ReportedViolation

SHOWN_VIOLATIONS = 100
"""Violations that a page lists if there are more; the counts cover all, and CSV, XLSX and JSON list all."""


@dataclass(frozen=True, slots=True)
class PolicyFindings:
    """The violations of one policy.

    Attributes:
        policy: the policy with the number of its violations.
        shown: the violations that are listed.
    """

    policy: PolicyCount
    shown: tuple[ReportedViolation, ...]

    @property
    def more(self) -> int:
        """The number of violations that are not listed."""
        return self.policy.count - len(self.shown)


def folded(
    policies: Sequence[PolicyCount], violations: Sequence[ReportedViolation], most: int = SHOWN_VIOLATIONS
) -> tuple[PolicyFindings, ...]:
    """The policies that are violated, the most severe first, each with some of its violations.

    Each policy gets an equal share of the lines; what one does not need goes to the others, the most severe first.

    Args:
        policies: the configured policies.
        violations: all violations, the most severe first.
        most: the number of violations to list altogether, at least one for each policy.
    """
    by_policy: dict[object, list[ReportedViolation]] = {}
    for one in violations:
        by_policy.setdefault(one.policy, []).append(one)
    order = [next(one for one in policies if one.policy is policy) for policy in by_policy]
    share = max(1, most // max(1, len(order)))
    lines = {one.policy: min(one.count, share) for one in order}
    spare = most - sum(lines.values())
    for policy in order:
        more = max(0, min(spare, policy.count - lines[policy.policy]))
        lines[policy.policy] += more
        spare -= more
    return tuple(PolicyFindings(one, tuple(by_policy[one.policy][: lines[one.policy]])) for one in order)
