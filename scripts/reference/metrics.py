"""The document about metrics, from the table of families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.schema import Metrics
from exporter.metrics.families import ALL_FAMILIES, ConfigFamily, Family, OrganizationFamily, OwnFamily
from exporter.model.event import Change
from exporter.model.state import Reason
from exporter.model.token import TokenState
from exporter.policies.builtin import POLICIES
from exporter.texts.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scripts.reference.texts import Texts

SOURCE = "`exporter/metrics/families/`"
_ORGANIZATION = {OrganizationFamily, ConfigFamily}
_ELSEWHERE = {*_ORGANIZATION, OwnFamily}
STATES = {
    TokenState.ACTIVE: "it has an expiry that has not passed yet",
    TokenState.EXPIRED: "its expiry has passed and the platform still lists it",
    TokenState.NEVER_EXPIRES: "it has no expiry, or one so far away that it counts as never (`never_expires_after`)",
    TokenState.UNKNOWN: "its expiry has never been readable; `yunxiao_parse_errors_total` counts it",
}


def body(text: Texts) -> str:
    """The document below its title."""
    parts = [
        text(
            "Points in time are seconds since the epoch, and their names end in `_timestamp_seconds`. Use these in rules: they "
            "compress well and stay correct between scrapes. The `*_expires_in_seconds` gauges are computed at each scrape, "
            "for people and for backends that cannot subtract times."
        ),
        "",
        text(
            "Tokens are polled in the background, because a sweep over many users takes longer than a scrape may. "
            "`yunxiao_user_last_success_timestamp_seconds` shows how old the data of a user is. After a failed poll the tokens "
            "seen last stay exposed; a time never becomes 0 because of it."
        ),
        "",
        *_group(text, "Users and their tokens", [one for one in ALL_FAMILIES if type(one) not in _ELSEWHERE]),
        *_values(text, "state", ((state, text(words)) for state, words in STATES.items())),
        *_values(text, "reason", ((reason, catalogue(text.language).reasons[reason].meaning) for reason in Reason)),
        *_values(text, "policy", ((policy.name, text(policy.meaning)) for policy in POLICIES), end="."),
        *_group(text, "Organizations and configuration", [one for one in ALL_FAMILIES if type(one) in _ORGANIZATION]),
        *_group(text, "The exporter itself", [one for one in ALL_FAMILIES if isinstance(one, OwnFamily)]),
        *_values(text, "event", ((change, text(change.meaning)) for change in Change), end="."),
        text("The standard `process_*` and `python_*` metrics are exposed as well."),
        "",
    ]
    return "\n".join(parts)


def _values(text: Texts, label: str, values: Iterable[tuple[str, str]], end: str = "") -> Iterator[str]:
    yield f"### {text('Values of {label}', label=f'`{label}`')}\n"
    for value, meaning in values:
        yield f"- {text('{value}: {meaning}' + end, value=f'`{value}`', meaning=meaning)}"
    yield ""


def _group(text: Texts, title: str, families: Iterable[Family]) -> Iterator[str]:
    yield f"## {text(title)}\n"
    for family in families:
        query, purpose = family.query
        yield f"### `{family.name}`\n"
        yield f"{text(family.help)}\n"
        yield f"- {text('Type: {kind}', kind=family.kind)}"
        labels = text.all_of(f"`{label}`" for label in family.labels)
        yield f"- {text('Labels: {labels}', labels=labels) if labels else text('Labels: none')}"
        yield f"- {text('When: {presence}', presence=text(family.present))}"
        switches = [family.detail.value] if family.detail else []
        switches += ["relative"] if family.relative else []
        if by_default := [f"`metrics.{name}: false`" for name in switches if getattr(Metrics(), name)]:
            yield f"- {text('Disabled by: {settings}', settings=text.all_of(by_default))}"
        if on_request := [f"`metrics.{name}: true`" for name in switches if not getattr(Metrics(), name)]:
            yield f"- {text('Enabled by: {settings}', settings=text.all_of(on_request))}"
        yield f"- {text('Example, {purpose}:', purpose=text(purpose))}\n\n  ```promql\n  {query}\n  ```\n"
