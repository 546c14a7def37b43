"""The texts of alerts as templates of Prometheus rules, from the same catalogues that the exporter's own alerts use.

The value of a rule about an expiry is the remaining time in seconds, negative once it has passed; of one about an age,
the seconds; of `YunxiaoPolicyViolation`, the number of violations; of `YunxiaoTokenNotRemoved`, the number of tokens,
unless it is about one. What texts say beyond that are labels of the series.

Prometheus expands each annotation and each label of a rule for every alert at every evaluation. Many alerts may fire
about tokens, so their series bring finished texts along.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.alerts.alert import PAGE_URL
from exporter.alerts.escaping import template_text
from exporter.alerts.links import Links, page_path
from exporter.common.text import rough_duration
from exporter.model.labels import KIND
from exporter.model.token import CredentialKind
from exporter.model.token_texts import DESCRIPTION, OWNER, OWNER_DEPARTMENT, OWNER_EMAIL, SUMMARY, TOKEN_ALERTS
from exporter.policies.base import Seconds
from exporter.policies.builtin import POLICIES
from exporter.texts.catalogue import Catalogue, catalogue
from exporter.texts.sentences import divided, optional, placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.alerts.definitions import Definition, Page
    from exporter.config.alerting import Alerting
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies

# Seconds as the daemon writes them, from a second on: the first unit of Prometheus' own format, without the sign.
_ROUGH = '$value | humanizeDuration | reReplaceAll "^-|[.][0-9]+| .*" ""'
_LABELS = (
    "organization",
    "user",
    "user_id",
    "token",
    "token_id",
    "policy",
    "worst",
    "users",
    "reason",
)
_NOT_IN_RULES = ("permissions", "purpose", "created", "last_success", "detail")
"""Placeholders of sentences that rules leave out."""
_SHOWN_IF = {"worst": "worst", "users": "users", "contact": OWNER}
"""The label without which a sentence with this placeholder is left out."""
_FINISHED = frozenset(TOKEN_ALERTS.values())
"""The alerts whose series have finished texts."""


@dataclass(frozen=True, slots=True)
class RuleTexts:
    """Makes the annotations of rules.

    Attributes:
        words: the catalogue of the language.
        links: the addresses of pages and runbooks.
        policies: the configured policies by name; empty if unknown.
    """

    words: Catalogue
    links: Links
    policies: Mapping[str, Policy] = field(default_factory=dict)

    @classmethod
    def of(cls, alerting: Alerting, external_url: str | None = None, policies: Policies | None = None) -> RuleTexts:
        """The texts of a configuration."""
        configured = () if policies is None else policies.enabled
        links = Links.of(alerting, external_url)
        return cls(catalogue(alerting.language), links, {policy.name: policy for policy in configured})

    def annotations(self, definition: Definition) -> dict[str, str]:
        """The annotations of the rule for an alert."""
        text = self.words.alerts[definition.text_name]
        link = self._link(definition.page, frozenset().union(*map(placeholders, text.description)))
        values = self._values() | {"link": link}
        if definition.text_name in _FINISHED:
            summary, first, rest = _label(SUMMARY), _label(DESCRIPTION), divided(text.description)[1]
        else:
            summary, first, rest = (
                text.summary.format_map(values),
                text.description[0].format_map(values),
                text.description[1:],
            )
        found = {
            "summary": summary,
            "description": first + "".join(self._sentence(one, values) for one in rest),
            "runbook_url": template_text(self.links.runbook(definition.name)),
        }
        return found | {PAGE_URL: link} if link else found

    def _sentence(self, sentence: str, values: Mapping[str, str]) -> str:
        """A sentence with the space before it; as far as possible, whether it is left out is decided now."""
        names = optional(sentence)
        if not all(values[name] for name in names):
            return ""
        shown = f"{self.words.space}{sentence.format_map(values)}"
        for label in (_SHOWN_IF[name] for name in names if name in _SHOWN_IF):
            shown = f"{{{{ if $labels.{label} }}}}{shown}{{{{ end }}}}"
        return shown

    def _values(self) -> dict[str, str]:
        words = self.words
        rough = f"{{{{ {_ROUGH}{self._units()} }}}}"
        reasons = {name: text.words for name, text in words.reasons.items()}
        meanings = {name: text.meaning for name, text in words.reasons.items()}
        lasting, over = words.expires_in.format(remaining=rough), words.expired_ago.format(remaining=rough)
        return {
            **dict.fromkeys(_NOT_IN_RULES, ""),
            **{name: _label(name) for name in _LABELS},
            "remaining": rough,
            "age": rough,
            "began": words.ago.format(remaining=rough),
            "count": '{{ $value | printf "%.0f" }}',
            "expiry": f"{{{{ if gt $value 0.0 }}}}{lasting}{{{{ else }}}}{over}{{{{ end }}}}",
            "where": f"{{{{ with $labels.organization }}}}{words.where.format(organization='{{ . }}')}{{{{ end }}}}",
            "credential": self._credential(),
            "contact": self._contact(),
            "violation": _chosen("policy", {policy.name: self._violation(policy.name) for policy in POLICIES}),
            "reason_words": _chosen("reason", reasons, words.unknown_reason),
            "reason_meaning": _chosen("reason", meanings, words.unknown_reason),
        }

    def _units(self) -> str:
        """What replaces the units of Prometheus by those of the language."""
        return "".join(
            f' | reReplaceAll "{letter}$" "{unit}"' for letter, unit in self.words.units.items() if unit != letter
        )

    def _credential(self) -> str:
        """What the texts call the credential: series of tokens have no label `kind`."""
        of_key, of_token = (
            self.words.credentials[kind.value] for kind in (CredentialKind.SSH_KEY, CredentialKind.TOKEN)
        )
        return _chosen(KIND, {CredentialKind.SSH_KEY.value: of_key}, of_token)

    def _contact(self) -> str:
        more = "".join(
            f"{{{{ with $labels.{name} }}}}{self.words.comma}{{{{ . }}}}{{{{ end }}}}"
            for name in (OWNER_EMAIL, OWNER_DEPARTMENT)
        )
        return f"{{{{ $labels.{OWNER} }}}}{more}"

    def _violation(self, name: str) -> str:
        text, policy = self.words.policies[name], self.policies.get(name)
        allowed = None if policy is None else policy.allowed
        if allowed is None or not text.limit:
            return text.words
        if isinstance(allowed, Seconds):
            shown = self.words.duration(rough_duration(allowed.value))
        else:
            shown = template_text(str(allowed))
        return text.words + self.words.brackets.format(text.limit.format(limit=shown))

    def _link(self, page: Page, used: frozenset[str]) -> str:
        """The page, about what the texts name."""
        if not (base := self.links.external_url):
            return ""
        organization, user_id, token_id, policy = (
            f"{{{{ $labels.{name} | urlquery | reReplaceAll `[+]` `%20` }}}}" if name in used else ""
            for name in ("organization", "user_id", "token_id", "policy")
        )
        return template_text(base) + page_path(page, organization, user_id, token_id, policy)


def _label(name: str) -> str:
    """The value of a label."""
    return f"{{{{ $labels.{name} }}}}"


def _chosen(label: str, texts: Mapping[str, str], default: str = "") -> str:
    """The text for the value of a label."""
    cases = "else ".join(f'if eq $labels.{label} "{value}" }}}}{text}{{{{ ' for value, text in texts.items())
    otherwise = f"else }}}}{default}{{{{ " if default else ""
    return f"{{{{ {cases}{otherwise}end }}}}"
