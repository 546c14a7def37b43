"""A registry as the body of a scrape."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_GZIP = 16 + zlib.MAX_WBITS
_FASTEST = 1


@dataclass(frozen=True, slots=True)
class Body:
    """What answers a scrape."""

    content: bytes
    content_type: str
    encoding: str | None


def render(registry: CollectorRegistry, accept: str, accept_encoding: str) -> Body:
    """The samples of a registry in the format and encoding that the scraper prefers.

    Args:
        registry: what to collect.
        accept: the request's `Accept` header; "" for none.
        accept_encoding: the request's `Accept-Encoding` header; "" for none.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (ValueError, TypeError):
        # The library trips over a version that is no number; whoever sends one gets the plain format.
        encode, content_type = choose_encoder("")
    content = encode(registry)
    if not gzip_accepted(accept_encoding):
        return Body(content, content_type, None)
    compressor = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    return Body(compressor.compress(content) + compressor.flush(), content_type, "gzip")


def gzip_accepted(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip (RFC 9110, 12.5.3): named or by ``*``, and not with ``q=0``."""
    weights = {}
    for item in accept_encoding.split(","):
        coding, _, parameters = item.partition(";")
        name, _, weight = parameters.partition("=")
        try:
            weights[coding.strip().lower()] = float(weight) if name.strip().lower() == "q" else 1.0
        except ValueError:
            weights[coding.strip().lower()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0
