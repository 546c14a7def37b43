"""Exceptions of libraries: their causes, and how to release them without reference cycles."""

from __future__ import annotations

import traceback


def causes(error: BaseException) -> list[BaseException]:
    """An exception and all its causes, however the libraries recorded them."""
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        cause = todo.pop()
        # By identity, because an exception class may define its own equality.
        if not isinstance(cause, BaseException) or any(cause is one for one in seen):
            continue
        seen.append(cause)
        todo.extend((cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args))
    return seen


def clear_chain(error: BaseException) -> None:
    """Remove the references of a caught exception and its causes to their frames and to each other.

    Libraries keep exceptions in local variables, so that exception, traceback and frame refer to each other. Such a
    cycle stays in memory until the garbage collector finds it, and during an outage each request creates one.

    Call it in the ``except`` clause that replaces a library's exception by one of ours, after its text has been read.
    Running frames, including that of the caller, are not changed.
    """
    for one in causes(error):
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None
        one.__cause__ = None
        one.__context__ = None
