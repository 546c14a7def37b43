"""The simulated platform of a run: it can become unreachable and return, and its token can change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind
from exporter.platform.yunxiao.simulator.server import Simulator
from soak.ports import free_port

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

_SHARE = 0.3
"""Share of requests that fail, for faults that do not affect all requests."""
_ENTRIES = 200_000
_FAULTS = {
    "false 401": (0.05, "401"),
    "drip": (_SHARE, "slow"),
    "reset": (_SHARE, "reset"),
    "html": (_SHARE, "html"),
    "truncated": (_SHARE, "truncated"),
    "500": (_SHARE, "500"),
    "429": (_SHARE, "429"),
    "hang": (0.1, "hang"),
}


class Platform:
    """Listens from the start.

    Args:
        people: number of simulated users.
        seed: of the generated users.
        chance: generates tokens.
    """

    def __init__(self, people: int, seed: int, chance: random.Random) -> None:
        self._enterprise = Enterprise(people, seed, base=time.time())
        self._ids = [user.user_id for user in self._enterprise.users()]
        self._chance = chance
        self.token = self._new_token()
        self._port = free_port()
        self._simulator = Simulator(self._enterprise, token=self.token, port=self._port).start()
        self.url = self._simulator.url

    def ids(self, numbers: Iterable[int]) -> list[str]:
        """The ids of users, by their number."""
        return [self._ids[number] for number in numbers]

    def revoke(self) -> str:
        """Replace the administrator's token; returns the new one."""
        self.token = self._simulator.token = self._new_token()
        return self.token

    def go_away(self) -> None:
        """Close the port and all connections."""
        self._simulator.stop()

    def come_back(self) -> None:
        """Listen again on the same port."""
        self._simulator = Simulator(self._enterprise, token=self.token, port=self._port).start()

    def fail(self, what: str, retry_after: int) -> None:
        """Let requests fail with a fault of the schedule until `heal`."""
        faults = self._simulator.faults
        faults.retry_after = str(retry_after)
        match what:
            case "slow":
                faults.latency = 0.8
            case "large answers":
                entry = '{"token_id":"x"},' if retry_after % 2 else "{},"
                faults.at_rate(0.05, Fault(FaultKind.BODY, "[" + entry * _ENTRIES + "{}]"))
            case "token echoed":
                faults.at_rate(_SHARE, Fault(FaultKind.ECHO))
                faults.at_rate(_SHARE, Fault(FaultKind.REDIRECT, f"https://{self.token}.example/"))
                text = f'{{"success":false,"errorCode":"{self.token}","data":"{self.token}"}}'
                faults.at_rate(_SHARE, Fault(FaultKind.BODY, text))
            case _:
                share, fault = _FAULTS[what]
                faults.at_rate(share, Fault.parse(fault))

    def heal(self) -> None:
        """End all faults."""
        self._simulator.faults.heal()
        self._simulator.faults.latency = 0.0

    def close(self) -> None:
        """Close the port."""
        self._simulator.stop()

    def _new_token(self) -> str:
        return f"pt-{self._chance.getrandbits(48):012x}_{self._chance.getrandbits(128):032x}"
