"""The section `policies`, made from the list of policies."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, model_validator

from exporter.common.fields import Section
from exporter.policies.base import Policy, TokenPolicy, UserPolicy
from exporter.policies.builtin import POLICIES

if TYPE_CHECKING:
    _Keys = Section
else:
    _Keys = create_model(
        "_Keys",
        __base__=Section,
        **{policy.name: (policy | None, Field(None, description=policy.__doc__)) for policy in POLICIES},
    )


class Policies(_Keys):
    """Requirements for tokens. Each policy is off unless it is set here.

    Policies apply to unexpired tokens only, except for `expired_not_removed`; none applies to SSH keys.
    `yunxiao_policy_violations` counts violations; the alerts are `YunxiaoTokenPolicyViolation` and
    `YunxiaoUserPolicyViolation`.
    """

    @model_validator(mode="before")
    @classmethod
    def _refuse_empty_keys(cls, data: Any) -> Any:
        """An empty key would be a policy that looks as if it were on."""
        empty = [key for key, value in data.items() if value is None] if isinstance(data, dict) else []
        if empty:
            raise ValueError(f"{' and '.join(map(str, empty))} is empty; set its keys, or remove it")
        return data

    @functools.cached_property
    def enabled(self) -> tuple[Policy, ...]:
        """The policies that are on, with their configuration."""
        sections: list[Policy | None] = [getattr(self, policy.name) for policy in POLICIES]
        return tuple(section for section in sections if section is not None and section.enabled)

    @functools.cached_property
    def of_tokens(self) -> tuple[TokenPolicy, ...]:
        """The enabled policies that single tokens violate."""
        return tuple(policy for policy in self.enabled if isinstance(policy, TokenPolicy))

    @functools.cached_property
    def of_users(self) -> tuple[UserPolicy, ...]:
        """The enabled policies that users violate."""
        return tuple(policy for policy in self.enabled if isinstance(policy, UserPolicy))

    @property
    def configured(self) -> tuple[type[Policy], ...]:
        """The classes of the enabled policies."""
        return tuple(type(policy) for policy in self.enabled)
