"""The addresses that alerts link to: the exporter's pages and the runbooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from exporter.config.alerting import RUNBOOKS
from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from exporter.config.alerting import Alerting


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the addresses.

    Attributes:
        external_url: the URL under which people open the exporter; None if it is not known, so no page is linked.
        runbooks: the configured folder of the runbooks; None for the default.
        language: that of the runbooks.
    """

    external_url: str | None = None
    runbooks: str | None = None
    language: Language = Language.EN

    @classmethod
    def of(cls, alerting: Alerting, external_url: str | None) -> Links:
        """The links of a configuration."""
        return cls(external_url, alerting.runbook_base_url, alerting.language)

    def runbook(self, alert: str) -> str:
        """The runbook of the alert with this name."""
        if self.runbooks is not None:
            return f"{self.runbooks}/{alert}.md"
        if self.external_url is not None:
            return f"{self.external_url}/runbooks/{alert}"
        folder = RUNBOOKS if self.language is Language.EN else f"{RUNBOOKS}/{self.language.value}"
        return f"{folder}/{alert}.md"

    def page(self, organization: str = "", *, user_id: str = "", token_id: str = "") -> str:
        """The page about a token or else a user of an organization, or the first page; "" without an external URL."""
        if self.external_url is None:
            return ""
        return f"{self.external_url}{page_path(quote(organization, ''), quote(user_id, ''), quote(token_id, ''))}"


def page_path(organization: str, user_id: str, token_id: str) -> str:
    """The path of a page; the arguments are encoded as parts of a path. Only a token id is sure to be in the path."""
    if token_id:
        return f"/tokens/{organization}/{token_id}"
    return f"/users/{organization}/{user_id}" if user_id else "/"
