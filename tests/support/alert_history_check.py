"""Checks worlds, and cuts a history that fails to what it needs to fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.alert_history_oracle import Shares
from support.alert_history_play import Player
from support.alert_history_rules import first_of_each, play_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from support.alert_history import World
    from support.alert_history_play import Mismatch
    from support.alert_history_process import Process

_MOST_REPLAYS = 40


@dataclass(frozen=True)
class Check:
    """Plays worlds both ways.

    Attributes:
        promtool: the program.
        folder: for its files.
        shares: of the oracles.
        edit: changes each scrape, and
        before_reload: is called before each reload, to see whether that is noticed.
    """

    promtool: str
    folder: Path
    shares: Shares = field(default_factory=Shares)
    edit: Callable[[str], str] | None = None
    before_reload: Callable[[Process], None] | None = None

    def mismatches(self, worlds: Iterable[World]) -> list[Mismatch]:
        """What is wrong, in the order of time: the first of each history and way."""
        players = [Player(one, self.shares, self.edit, self.before_reload).play() for one in worlds]
        found = first_of_each([one for player in players for one in player.mismatches])
        by_rules = [one for one in players if one.world.by_rules]
        return found + (first_of_each(play_rules(by_rules, self.promtool, self.folder)) if by_rules else [])

    def report(self, mismatches: Iterable[Mismatch], worlds: Iterable[World]) -> str:
        """What is wrong with the first of them, as small as possible, and the others in a line each."""
        found = list(mismatches)
        if not found:
            return ""
        first = found[0]
        world = next(
            one
            for one in worlds
            if not first.user_id or one.number == int(first.user_id.partition("-")[0].removeprefix("w"))
        )
        small, still = self._shrunk(world, first)
        return "\n".join(
            [f"{len(found)} histories fail", small.story(), f"  {still}", *[str(one) for one in found[:20]]]
        )

    def _shrunk(self, world: World, first: Mismatch) -> tuple[World, Mismatch]:
        """A smaller world that fails in the same way."""

        kind = first.way, bool(first.text)

        def fails(smaller: World) -> Mismatch | None:
            return next((one for one in self.mismatches([smaller]) if (one.way, bool(one.text)) == kind), None)

        if "-" in first.user_id:
            alone = world.only(first.user_id)
            found = fails(alone)
            if found is None:
                # It needs the other users, but what happens to them is not shown.
                return alone, first
            world, first = alone, found
        replays, progress = 0, True
        while progress:
            progress = False
            for smaller in world.smaller():
                replays += 1
                if replays > _MOST_REPLAYS:
                    return world, first
                if (found := fails(smaller)) is not None:
                    world, first, progress = smaller, found, True
                    break
        return world, first
