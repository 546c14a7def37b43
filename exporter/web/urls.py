"""The addresses of pages, relative to the page that links to them, so that they fit below any route prefix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Urls:
    """Makes addresses.

    Attributes:
        path: the path of the page, below the route prefix, as the client has sent it.
        grafana: the URL of Grafana; None if there is none.
        statics: the file names of the static files, with their digests.
    """

    path: str
    grafana: str | None = None
    statics: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The way to the first page."""
        return "../" * (self.path.count("/") - 1) or "./"

    def page(self, name: str = "", **parameters: str) -> str:
        """A page or a list of the API, with parameters; those that are empty are left out."""
        query = urlencode({key: value for key, value in parameters.items() if value})
        return f"{self.root}{name}{'?' if query else ''}{query}"

    def here(self, values: Mapping[str, str], **changed: str) -> str:
        """The page itself with some parameters changed, from the first row on."""
        query = urlencode({key: value for key, value in {**values, "cursor": "", **changed}.items() if value})
        # A bare question mark removes the present query.
        return f"?{query}"

    def user(self, organization: str, user_id: str) -> str:
        """The page about a user."""
        return f"{self.root}users/{quote(organization, '')}/{quote(user_id, '')}"

    def token(self, organization: str, token_id: str) -> str:
        """The page about a token."""
        return f"{self.root}tokens/{quote(organization, '')}/{quote(token_id, '')}"

    def static(self, name: str) -> str:
        """A static file."""
        return f"{self.root}static/{self.statics.get(name, name)}"

    def dashboard(self, organization: str = "", user: str = "") -> str:
        """Grafana's dashboard; "" if there is none."""
        if self.grafana is None:
            return ""
        variables = {"var-organization": organization, "var-user": user}
        query = urlencode({key: value for key, value in variables.items() if value})
        return f"{self.grafana.rstrip('/')}/d/yunxiao-tokens{'?' if query else ''}{query}"
