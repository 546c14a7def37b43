"""What was fixed and what is new since an earlier report. Pure, but for reading the values of its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from exporter.report.summary import Summary

EXPIRED = "expired"
"""The finding that a token has expired and is still there."""


class InvalidReportError(ValueError):
    """A file is not a report in the format JSON."""


class Finding(msgspec.Struct, frozen=True):
    """A finding: a token or a user, and what is wrong.

    Attributes:
        problem: the name of a policy, or `EXPIRED`.
        token_id: None if the user's tokens together violate the policy.
    """

    organization: str
    user_id: str
    user: str
    token_id: str | None
    token: str | None
    problem: str

    @property
    def key(self) -> tuple[str, str, str | None, str | None, str]:
        """What makes it the same finding in two reports; users may have been renamed."""
        return self.organization, self.user_id, self.token_id, self.token, self.problem

    @property
    def whose(self) -> tuple[str, str]:
        """The organization and the user."""
        return self.organization, self.user_id


class _User(msgspec.Struct):
    organization: str
    user_id: str


class _Organization(msgspec.Struct):
    name: str


class _Held(_User):
    user: str
    token_id: str | None = None
    token: str | None = None


class _Violation(_Held, kw_only=True):
    policy: str


class EarlierReport(msgspec.Struct):
    """An earlier report, as far as it is compared."""

    at: str
    organizations: list[_Organization]
    violations: list[_Violation]
    violations_by_policy: list[dict[str, str | int]]
    # Reports of earlier releases have none.
    expired: list[_Held] | None = None
    failing_users: list[_User] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between two reports.

    Attributes:
        since: when the earlier report was made, as it says.
        fixed: findings of the earlier report that are gone.
        new: findings that it did not have.
        unchanged: the number of findings that both have.
        unknown: the number of findings that only one has, and that cannot be compared: a user could not be polled, or
            an organization or policy is configured in one only.
    """

    since: str
    fixed: tuple[Finding, ...]
    new: tuple[Finding, ...]
    unchanged: int
    unknown: int


def parse_report(content: bytes) -> EarlierReport:
    """A report in the format JSON.

    Raises:
        InvalidReportError: it is not such a report.
    """
    try:
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=EarlierReport)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidReportError("is not a report that was written with --output json") from None


def compare(report: EarlierReport, summary: Summary) -> Comparison:
    """Compare an earlier report with the one of now."""
    before = {one.key: one for one in _earlier(report)}
    after = {one.key: one for one in _current(summary)}
    organizations = {one.name for one in report.organizations} & {one.name for one in summary.organizations}
    problems = {str(one.get("policy")) for one in report.violations_by_policy} & {
        one.policy.name for one in summary.policies
    }
    if report.expired is not None:
        problems.add(EXPIRED)
    failing = {(one.organization, one.user_id) for one in report.failing_users or ()} | {
        (one.organization, one.user.user_id) for one in summary.failing
    }

    def comparable(one: Finding) -> bool:
        return one.organization in organizations and one.problem in problems and one.whose not in failing

    gone = [one for key, one in before.items() if key not in after]
    come = [one for key, one in after.items() if key not in before]
    return Comparison(
        report.at,
        tuple(one for one in gone if comparable(one)),
        tuple(one for one in come if comparable(one)),
        len(before.keys() & after.keys()),
        sum(not comparable(one) for one in (*gone, *come)),
    )


def _earlier(report: EarlierReport) -> list[Finding]:
    return [
        *(
            Finding(one.organization, one.user_id, one.user, one.token_id, one.token, one.policy)
            for one in report.violations
        ),
        *(
            Finding(one.organization, one.user_id, one.user, one.token_id, one.token, EXPIRED)
            for one in report.expired or ()
        ),
    ]


def _current(summary: Summary) -> list[Finding]:
    found = []
    for one in summary.violations:
        token_id, name = (None, None) if one.token is None else (one.token.token_id, one.token.name)
        found.append(Finding(one.organization, one.user.user_id, one.user.name, token_id, name, one.policy.name))
    for held in summary.expired:
        token, user = held.token, held.user
        found.append(Finding(held.organization, user.user_id, user.name, token.token_id, token.name, EXPIRED))
    return found
