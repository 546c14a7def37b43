"""The text of a first configuration, with comments that explain the keys one is likely to change. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """What a first configuration is made from.

    Attributes:
        endpoint: the address of the platform.
        token_file: the file with the administrator's token, as the configuration names it.
        name: the name of the organization; "" for one from the endpoint.
        organization_id: the organization whose members are watched; None for all users of the enterprise.
        users: ids of users to watch; empty to discover them.
        timezone: the time zone of dates without a zone.
    """

    endpoint: str
    token_file: str
    name: str = ""
    organization_id: str | None = None
    users: tuple[str, ...] = ()
    timezone: str = "Asia/Shanghai"


def suggested_name(endpoint: str) -> str:
    """A name for the organization: the first part of the host, such as ``acme`` of https://acme.rdc.aliyuncs.com."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        host = ""
    first = host.partition(".")[0]
    return first if first and not first.isdigit() else host or "my-organization"


def first_config(answers: FirstAnswers) -> str:
    """The text of the file."""
    return f"""\
# Configuration of yunxiao-token-exporter. docs/configuration.md explains every key.
# Check it:  yunxiao-token-exporter check-config --probe
# Run it:    yunxiao-token-exporter serve

organizations:
  - name: {_quoted(answers.name or suggested_name(answers.endpoint))}
    endpoint: {_quoted(answers.endpoint)}
    # The file contains only the token of an enterprise administrator; it is read again when it changes.
    token_file: {_quoted(answers.token_file)}
    # The time zone of dates that the platform sends without one.
    timezone: {_quoted(answers.timezone)}
    # limits: {{requests_per_second: 5, concurrency: 8}}
    users:
{_users(answers)}
# poll:
#   interval: 15m      # from the start of one sweep over all users to the next
#   stale_after: 1h    # from when data counts as old

alerting:
  # When a token counts as expiring soon, for alerts and for the rules of Prometheus.
  thresholds: {{warning: 14d, critical: 3d}}
  # Where the exporter sends alerts itself. Leave it out if Prometheus alerts: yunxiao-token-exporter rules
  # alertmanagers: [{{url: "http://localhost:9093"}}]

# Requirements for tokens; `tokens --policy` and `report` list what breaks them.
# policies:
#   never_expires: forbid
#   max_lifetime: {{limit: 365d}}
#   expired_not_removed: {{after: 30d}}

# Keeps what is known over a restart, in a folder to which the exporter may write.
# storage: {{path: state.db}}    # for the service of a package: /var/lib/yunxiao-token-exporter/state.db
"""


def _users(answers: FirstAnswers) -> str:
    if answers.users:
        lines = ["      static:", *(f"        - {{id: {_quoted(user)}}}" for user in answers.users)]
    elif answers.organization_id is not None:
        lines = [
            "      # The members of one organization; the list is refreshed every hour.",
            f"      discover: {{source: members, organization_id: {_quoted(answers.organization_id)}}}",
        ]
    else:
        lines = [
            "      # All users of the enterprise; the list is refreshed every hour.",
            "      discover: {source: users}",
        ]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """Text in quotes, as JSON and YAML write it. YAML would read some ids as other values."""
    return json.dumps(text, ensure_ascii=False)
