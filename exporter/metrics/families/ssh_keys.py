"""The families about users' SSH keys."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from exporter.metrics.families.base import Detail, Kind, UserFamily, remaining, times
from exporter.model.labels import SSH_KEY_LABEL_NAMES, ssh_key_values
from exporter.model.token import token_series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.ssh_key import SshKey
    from exporter.model.state import UserState

_LABELS = "token_id is the id of the key, token its title, kind always ssh_key."
_WATCHED = "if the organization's `credentials` include `ssh_keys`"


def _keys(state: UserState) -> Iterable[SshKey]:
    return token_series(state.ssh_keys or ())


_expiry = times(_keys, ssh_key_values, attrgetter("expires_at"))
_created = times(_keys, ssh_key_values, attrgetter("created_at"))
_last_used = times(_keys, ssh_key_values, attrgetter("last_used_at"))

SSH_KEY_FAMILIES: tuple[UserFamily, ...] = (
    UserFamily(
        "yunxiao_ssh_key_expiry_timestamp_seconds",
        Kind.GAUGE,
        SSH_KEY_LABEL_NAMES,
        f"When the SSH key expires, in seconds since the epoch; +Inf if never. {_LABELS}",
        f"For each listed SSH key with a readable expiry, including expired ones, {_WATCHED}.",
        (
            "0 < yunxiao_ssh_key_expiry_timestamp_seconds - time() < 14 * 86400",
            "SSH keys that expire within two weeks and have not yet",
        ),
        detail=Detail.PER_TOKEN,
        samples=_expiry,
    ),
    UserFamily(
        "yunxiao_ssh_key_expires_in_seconds",
        Kind.GAUGE,
        SSH_KEY_LABEL_NAMES,
        "Seconds until the SSH key expires, computed at the scrape; negative after that, +Inf if never. "
        f"Rules should use yunxiao_ssh_key_expiry_timestamp_seconds. {_LABELS}",
        "As `yunxiao_ssh_key_expiry_timestamp_seconds`, unless `metrics.relative` is off.",
        ("bottomk(10, yunxiao_ssh_key_expires_in_seconds > 0)", "the next ten SSH keys to expire"),
        detail=Detail.PER_TOKEN,
        relative=True,
        samples=remaining(_expiry),
        expiry=_expiry,
    ),
    UserFamily(
        "yunxiao_ssh_key_created_timestamp_seconds",
        Kind.GAUGE,
        SSH_KEY_LABEL_NAMES,
        f"When the SSH key was added, in seconds since the epoch. {_LABELS}",
        f"For each listed SSH key with a readable creation date, {_WATCHED}.",
        ("time() - yunxiao_ssh_key_created_timestamp_seconds > 365 * 86400", "SSH keys older than a year"),
        detail=Detail.PER_TOKEN,
        samples=_created,
    ),
    UserFamily(
        "yunxiao_ssh_key_last_used_timestamp_seconds",
        Kind.GAUGE,
        SSH_KEY_LABEL_NAMES,
        f"When the SSH key was last used, in seconds since the epoch. {_LABELS}",
        f"For each listed SSH key that has been used, {_WATCHED}.",
        (
            "time() - yunxiao_ssh_key_last_used_timestamp_seconds > 90 * 86400",
            "SSH keys that have not been used for 90 days",
        ),
        detail=Detail.PER_TOKEN,
        samples=_last_used,
    ),
)
