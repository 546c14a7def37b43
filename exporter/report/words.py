"""The words of the report in English or Chinese."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exporter.common.text import expiry_words, rough_duration
from exporter.model.token import NEVER
from exporter.report import chinese
from exporter.report.comparison import EXPIRED
from exporter.report.formats import Language

if TYPE_CHECKING:
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.report.exemptions import ReportedExemption


class Words:
    """The words of a report in one language."""

    def __init__(self, language: Language = Language.EN) -> None:
        self._chinese = language is Language.ZH

    @property
    def tag(self) -> str:
        """The language, as HTML names it."""
        return "zh-CN" if self._chinese else "en"

    def __call__(self, text: str, **values: object) -> str:
        """A text of the report, with values for its placeholders."""
        found = chinese.TEXTS.get(text, text) if self._chinese else text
        return found.format(**values) if values else found

    def day(self, epoch: float) -> str:
        """A day without its year."""
        return f"{datetime.fromtimestamp(epoch, tz=UTC):{'%m-%d' if self._chinese else '%d %b'}}"

    def duration(self, seconds: float) -> str:
        """A duration in its largest unit."""
        text = rough_duration(seconds)
        return f"{text[:-1]}{chinese.DURATIONS[text[-1]]}" if self._chinese else text

    def expiry(self, expires_at: float | None, now: float) -> str:
        """When a token expires."""
        if not self._chinese or expires_at is None or expires_at == NEVER:
            return self(expiry_words(expires_at, now))
        if expires_at <= now:
            return self("expired {n} ago", n=self.duration(now - expires_at))
        return self("expires in {n}", n=self.duration(expires_at - now))

    def problem(self, policy: type[Policy]) -> str:
        """What is wrong with a token that violates a policy."""
        return chinese.POLICIES[policy.name][0] if self._chinese and policy.name in chinese.POLICIES else policy.words

    def action(self, policy: type[Policy]) -> str:
        """What to do about a violation of a policy."""
        if self._chinese and policy.name in chinese.POLICIES:
            return f"{chinese.POLICIES[policy.name][1]}。"
        sentence = policy.meaning.partition(". ")[0].rpartition("; ")[2]
        return f"{sentence[:1].upper()}{sentence[1:]}."

    def contact(self, user: User) -> str:
        """The owner of a user's tokens, as far as known: e-mail address and department."""
        owner = user.owner
        return "" if owner is None else ", ".join(part for part in (owner.email, owner.department) if part)

    def scope(self, exemption: ReportedExemption) -> str:
        """The tokens that an exemption applies to."""
        parts = (("user", exemption.user), ("token id", exemption.token_id), ("name", exemption.name))
        return ", ".join(f"{self(key)} {value}" for key, value in parts if value is not None)

    def finding(self, problem: str) -> str:
        """The name of a problem in a comparison."""
        return self("token still there although it has expired") if problem == EXPIRED else problem

    def failure(self, sentence: str) -> str:
        """A sentence about users that could not be polled, whose explanation is translated."""
        if self._chinese:
            for reason, words in chinese.REASONS.items():
                sentence = sentence.replace(reason.meaning, words)
        return sentence
