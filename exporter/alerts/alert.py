"""Alerts that fire, and how they are made: labels, texts, and what the configuration adds to each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Unpack

from exporter.alerts.links import Links
from exporter.alerts.wording import Facts, Wording
from exporter.common.text import printable
from exporter.model.labels import ORGANIZATION
from exporter.model.loss import Losses
from exporter.model.user import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from exporter.alerts.definitions import Definition
    from exporter.config.alerting import Alerting
    from exporter.config.schema import Config
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User

Labels = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name: the identity of an alert."""
Subject = tuple[str | None, str | None]
"""The organization and the user that an alert is about; None if it is not about a single one, `ALL_USERS` if it sums up
what is found at each user of the organization."""
ALL_USERS = ""
ALERT_NAME = "alertname"
SEVERITY = "severity"
POLICY = "policy"
DESCRIPTION = "description"
PAGE_URL = "page_url"
"""The annotation with the exporter's page about what the alert is about, and the source of the alert for receivers."""
_FEW_VALUES = frozenset({ALERT_NAME, SEVERITY, POLICY, ORGANIZATION})
_MOST_SHARED = 10_000
_MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class Words:
    """How much time is left or has passed, at the end of a description: all that changes while the alert fires.

    Attributes:
        definition: name and severity.
        begin: the position of these words in the description.
        expires_at: when the token expires, in epoch seconds.
        until: epoch seconds until which they hold.
    """

    definition: Definition
    begin: int
    expires_at: float
    until: float


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fires.

    Attributes:
        labels: its identity, including `alertname` and `severity`; constant while the condition holds.
        annotations: texts for people; they may change between evaluations.
        since: epoch seconds at which the condition began, as far as the state shows; never in the future. The same
            condition has the same time after a restart.
        words: what changes in its description with the time; None for nothing.
    """

    labels: Labels
    annotations: Labels
    since: float
    words: Words | None = field(default=None, compare=False, repr=False)

    def only_reworded(self, before: Labels) -> bool:
        """Whether its annotations were these before, but for how much time is left or has passed."""
        if self.words is None or len(before) != len(self.annotations):
            return False
        begin = self.words.begin
        return all(
            old == new or (old[0] == new[0] == DESCRIPTION and old[1][:begin] == new[1][:begin])
            for old, new in zip(before, self.annotations, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of one evaluation.

    Attributes:
        alerts: the alerts that fire; if it is not complete, only those that are new or have other annotations.
        unknown: the subjects that could not be evaluated; whether their alerts fire is unknown.
        complete: whether every alert that fires is listed.
        ended: if it is not complete, the alerts that have stopped firing since the previous evaluation.
        number: identifies it, so that the next one can be about the difference; None for one without a successor.
    """

    alerts: tuple[Alert, ...]
    unknown: frozenset[Subject] = frozenset()
    complete: bool = True
    ended: tuple[Labels, ...] = ()
    number: int | None = None


class AlertMaker:
    """Makes alerts with the labels and annotations that all alerts have. One thread at a time.

    Many thousand alerts may fire, so they share the labels and texts that they have in common.

    Args:
        alerting: the configured labels.
        wording: writes the texts.
        links: the addresses of pages and runbooks.
    """

    def __init__(self, alerting: Alerting, wording: Wording, links: Links) -> None:
        self._labels = {name: value for name, value in alerting.labels.items() if value}
        self._owner_labels = alerting.owner_labels
        self._wording = wording
        self._links = links
        self._now = 0.0
        self._runbooks: dict[str, tuple[str, str]] = {}
        self._shared = {pair: pair for pair in self._labels.items()}
        self._of_subject: dict[tuple[str, str], tuple[str, str]] = {}

    @classmethod
    def of(cls, config: Config) -> AlertMaker:
        """The maker for a configuration."""
        links = Links.of(config.alerting, config.web.external_url)
        return cls(config.alerting, Wording.of(config), links)

    def begin(self, now: float) -> None:
        """The alerts that follow are about another user or organization, at the time ``now`` in epoch seconds."""
        self._now = now
        self._of_subject.clear()

    def make(
        self,
        definition: Definition,
        labels: dict[str, str],
        since: float,
        user: User | None = None,
        token: Token | None = None,
        *,
        permissions: str = "",
        words_until: float | None = None,
        **facts: Unpack[Facts],
    ) -> Alert:
        """An alert.

        Args:
            definition: name and severity.
            labels: those that identify what it is about.
            since: epoch seconds at which the condition began; not in the future.
            user: the user that it is about.
            token: the token or SSH key that it is about.
            permissions: what the user loses with the token; "" for nothing.
            words_until: epoch seconds until which the words about the time that is left, or has passed, hold; None if
                it says nothing about that.
            facts: what else its texts say.
        """
        severity = {} if definition.severity is None else {SEVERITY: definition.severity.value}
        own = {ALERT_NAME: definition.name} | severity | labels
        organization = labels.get(ORGANIZATION, "")
        link = self._links.page(
            organization,
            page=definition.page,
            user_id="" if user is None else user.user_id,
            token_id="" if token is None else token.token_id,
            policy=labels.get(POLICY, ""),
        )
        summary, description = self._wording.texts(
            definition, labels, self._now, user, token, facts, link=link, permissions=permissions
        )
        annotations = [("summary", summary), (DESCRIPTION, description), self._runbook(definition.name)]
        if token is not None and token.description:
            annotations.append(("token_description", printable(token.description)))
        if user is not None and user.owner is not None:
            contact = (("owner_email", user.owner.email), ("owner_department", user.owner.department))
            annotations += [self._once((name, value)) for name, value in contact if value is not None]
        if permissions:
            annotations.append(("permissions", permissions))
        if link:
            annotations.append((PAGE_URL, link))
        every = self._labels | self._of(user) | own
        labels_of_all = tuple([self._once(pair) for pair in sorted(every.items())])
        words = None
        if words_until is not None and token is not None and token.expires_at is not None:
            end = self._wording.time_left(definition, token.expires_at, self._now, link)
            words = Words(definition, len(description) - len(end), token.expires_at, words_until)
        return Alert(labels_of_all, tuple(annotations), since, words)

    def reworded(self, alert: Alert, words: Words, now: float, until: float) -> Alert:
        """The same alert, with the time that is left or has passed at another time.

        Args:
            alert: an alert.
            words: its words.
            now: epoch seconds.
            until: epoch seconds until which the new words hold.
        """
        texts = dict(alert.annotations)
        end = self._wording.time_left(words.definition, words.expires_at, now, texts.get(PAGE_URL, ""))
        texts[DESCRIPTION] = texts[DESCRIPTION][: words.begin] + end
        return Alert(alert.labels, tuple(texts.items()), alert.since, replace(words, until=until))

    def listed(self, names: Sequence[str]) -> str:
        """Names as a list, the first few of them."""
        words = self._wording.words
        more = [words.losses.more.format(count=len(names) - _MOST_LISTED)] if len(names) > _MOST_LISTED else []
        return words.comma.join([*names[:_MOST_LISTED], *more])

    def zone(self, organization: str) -> ZoneInfo:
        """The time zone of an organization."""
        return self._wording.zone(organization)

    def losses(self, organization: str, state: UserState) -> Losses:
        """What a user loses with each token, in the language and the time zone of the texts."""
        return Losses(state, self._links.language, self._wording.zone(organization))

    def _runbook(self, name: str) -> tuple[str, str]:
        """The annotation that all alerts of this name have."""
        if (found := self._runbooks.get(name)) is None:
            found = self._runbooks[name] = ("runbook_url", self._links.runbook(name))
        return found

    def _once(self, pair: tuple[str, str]) -> tuple[str, str]:
        """The same pair for all alerts that have it, as far as that needs no memory that grows."""
        shared = self._shared.get(pair)
        if shared is not None:
            return shared
        few = pair[0] in _FEW_VALUES and len(self._shared) < _MOST_SHARED
        known = self._shared if few else self._of_subject
        return known.setdefault(pair, pair)

    def _of(self, user: User | None) -> dict[str, str]:
        """The labels of an alert about a user; labels of the user's entry override those from discovery."""
        if user is None:
            return {}
        owner = Owner() if user.owner is None else user.owner
        found = {name: getattr(owner, name) for name in self._owner_labels}
        return {name: value for name, value in found.items() if value is not None} | dict(user.labels)
