"""Divides users among shards by a stable hash of the user id."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARD = re.compile(r"(auto|\d+)/(\d+)")
_ORDINAL = re.compile(r"-(\d+)$")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several shards, counted from 0 as Kubernetes counts the pods of a StatefulSet."""

    number: int
    total: int

    @property
    def label(self) -> str:
        """The value of the label `shard`; empty if there is one shard."""
        return "" if self.total == 1 else str(self)

    def takes(self, user_id: str) -> bool:
        """Whether the user belongs to this shard. Each user belongs to exactly one, in every process."""
        digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"shard").digest()
        return int.from_bytes(digest, "big") % self.total == self.number

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def parse_shard(text: str, environ: Mapping[str, str]) -> Shard:
    """Read ``k/n``, k from 0 to n-1, or ``auto/n``, which takes k from the end of the pod's name.

    Raises:
        ValueError: it is neither, or the name of the pod does not end in an ordinal below n.
    """
    match = _SHARD.fullmatch(text)
    if match is None or int(match[2]) < 1:
        raise ValueError(f"{text!r} is not a valid shard; write 0/3 to 2/3, or auto/3 in a StatefulSet of three")
    total = int(match[2])
    if match[1] != "auto":
        number = int(match[1])
    else:
        pod = environ.get("POD_NAME") or environ.get("HOSTNAME", "")
        ordinal = _ORDINAL.search(pod)
        if ordinal is None:
            raise ValueError(
                f"the pod's name {pod!r} does not end in an ordinal; set POD_NAME, or write 0/{total} and so on"
            )
        number = int(ordinal[1])
    if number >= total:
        raise ValueError(f"there is no shard {number} of {total}; they are counted from 0 to {total - 1}")
    return Shard(number, total)


WHOLE = Shard(0, 1)
"""All users."""
