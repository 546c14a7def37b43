"""Writes the texts of alerts that the exporter sends, in the configured language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict
from zoneinfo import ZoneInfo

from exporter.common.text import local_and_utc, local_time, printable, rough_duration
from exporter.model.labels import ORGANIZATION
from exporter.model.token import NEVER, CredentialKind
from exporter.model.token_texts import contact, expiry_facts, token_facts
from exporter.policies.base import Seconds, Time, TokenPolicy
from exporter.texts.catalogue import Catalogue, catalogue
from exporter.texts.sentences import changing, complete, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.alerts.definitions import Definition
    from exporter.config.schema import Config
    from exporter.model.state import Reason
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.base import Fact, Policy

_UTC = ZoneInfo("UTC")


class Facts(TypedDict, total=False):
    """What an alert says beyond its labels, its user and its token.

    Attributes:
        expires: epoch seconds of an expiry that is not the token's.
        began: epoch seconds at which the problem began.
        last_success: epoch seconds of the last successful poll.
        age: seconds since something happened.
        reason: why polls fail.
        detail: the message of a failure.
        found: what violates the policy, if that is not the token.
        count: how many violations there are.
        users: how many users have them.
        worst: the users with most of them, or the tokens of a user.
    """

    expires: float
    began: float
    last_success: float
    age: float
    reason: Reason
    detail: str
    found: Fact
    count: int
    users: int
    worst: str


@dataclass(frozen=True, slots=True)
class Wording:
    """Writes texts.

    Attributes:
        words: the catalogue of the language.
        zones: the time zone of each organization.
        policies: the configured policies by name.
    """

    words: Catalogue
    zones: Mapping[str, ZoneInfo]
    policies: Mapping[str, Policy]

    @classmethod
    def of(cls, config: Config) -> Wording:
        """The wording of a configuration."""
        return cls(
            catalogue(config.alerting.language),
            {one.name: ZoneInfo(one.timezone) for one in config.organizations},
            {policy.name: policy for policy in config.policies.enabled},
        )

    def zone(self, organization: str) -> ZoneInfo:
        """The time zone of an organization."""
        return self.zones.get(organization, _UTC)

    def texts(
        self,
        definition: Definition,
        labels: Mapping[str, str],
        now: float,
        user: User | None,
        token: Token | None,
        facts: Facts,
        **ready: str,
    ) -> tuple[str, str]:
        """The summary and the description of an alert.

        Args:
            definition: the alert.
            labels: those that identify what it is about.
            now: epoch seconds.
            user: the user that it is about.
            token: the token or SSH key that it is about.
            facts: what else it says.
            ready: other values, as text.
        """
        text = self.words.alerts[definition.text_name]
        zone = self.zone(labels.get(ORGANIZATION, ""))
        values = {**labels, **ready, "where": "", **self._of_owner(user), **self._of_token(token, zone)}
        values |= self._of_facts(facts, zone) | self._of_expiry(token, facts, zone, now)
        if (policy := labels.get("policy")) is not None:
            values["violation"] = self.violation(policy, token, facts.get("found"), zone)
        return shortened(text.summary.format_map(values)), complete(text.description, values, self.words.space)

    def time_left(self, definition: Definition, expires_at: float, now: float, link: str) -> str:
        """The end of a description about a token: how much time is left or has passed, and what follows.

        Args:
            definition: the alert.
            expires_at: when the token expires, in epoch seconds.
            now: epoch seconds.
            link: the address of the page that the alert links to.
        """
        sentences = self.words.alerts[definition.text_name].description
        values = {"remaining": self._duration(abs(expires_at - now)), "link": link}
        return changing(sentences, values, self.words.space)

    def violation(self, name: str, token: Token | None, found: Fact | None, zone: ZoneInfo) -> str:
        """What is wrong, with the limit of the policy and what was found instead, as far as they are known.

        Args:
            name: the policy.
            token: the token that violates it; None for many tokens, or for a user.
            found: what violates it, if that is not the token.
            zone: the time zone of the organization.
        """
        text, policy = self.words.policies[name], self.policies.get(name)
        if policy is None:
            return text.words
        if token is not None and isinstance(policy, TokenPolicy):
            found = policy.found(token)
        parts = []
        if found is not None and text.actual:
            parts.append(text.actual.format(actual=self._fact(found, zone)))
        if (allowed := policy.allowed) is not None and text.limit:
            parts.append(text.limit.format(limit=self._fact(allowed, zone)))
        return text.words + (self.words.brackets.format(self.words.semicolon.join(parts)) if parts else "")

    def _fact(self, fact: Fact, zone: ZoneInfo) -> str:
        if isinstance(fact, Seconds):
            return self._duration(fact.value)
        return printable(local_time(fact.value, zone) if isinstance(fact, Time) else str(fact))

    def _duration(self, seconds: float) -> str:
        return self.words.duration(rough_duration(seconds))

    def _of_owner(self, user: User | None) -> dict[str, str]:
        return {"contact": "" if user is None else contact(user, self.words)}

    def _of_token(self, token: Token | None, zone: ZoneInfo) -> dict[str, str]:
        if token is not None:
            return token_facts(token, self.words, zone)
        return {"credential": self.words.credentials[CredentialKind.TOKEN.value], "purpose": "", "created": ""}

    def _of_facts(self, facts: Facts, zone: ZoneInfo) -> dict[str, str]:
        values = {"worst": facts.get("worst", ""), "detail": facts.get("detail", "")}
        for name, at in (("began", facts.get("began")), ("last_success", facts.get("last_success"))):
            values[name] = "" if at is None else local_and_utc(at, zone)
        if (age := facts.get("age")) is not None:
            values["age"] = self._duration(age)
        for name, number in (("count", facts.get("count")), ("users", facts.get("users"))):
            values[name] = "" if number is None else str(number)
        if (reason := facts.get("reason")) is not None:
            text = self.words.reasons[reason.value]
            values |= {"reason": reason.value, "reason_words": text.words, "reason_meaning": text.meaning}
        return values

    def _of_expiry(self, token: Token | None, facts: Facts, zone: ZoneInfo, now: float) -> dict[str, str]:
        expires = facts.get("expires") if token is None else token.expires_at
        if expires is None or expires == NEVER:
            return {}
        remaining = {"remaining": self._duration(abs(expires - now))}
        if token is not None:
            return remaining
        values = expiry_facts(expires, zone) | remaining
        return values | {"expiry": (self.words.expires if expires > now else self.words.expired).format_map(values)}
