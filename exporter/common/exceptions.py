"""Exceptions of libraries: everything that one came from, and how to let go of it without leaving cycles."""

from __future__ import annotations

import traceback


def causes(error: BaseException) -> list[BaseException]:
    """An exception and all exceptions that it came from, in whichever way the libraries recorded them."""
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        cause = todo.pop()
        # By identity: an exception class may define its own idea of equality.
        if not isinstance(cause, BaseException) or any(cause is one for one in seen):
            continue
        seen.append(cause)
        todo.extend((cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args))
    return seen


def clear_chain(error: BaseException) -> None:
    """Cut a caught exception and all that it came from loose from their frames and from each other.

    Libraries keep exceptions in local variables, so that exception, traceback and frame refer to each other. Such a
    cycle stays in memory until the garbage collector finds it, and during an outage there is one with each request.

    Call it in the ``except`` clause that turns a library's exception into one of ours, after its text has been read.
    Frames that still run, those of the caller included, are left alone.
    """
    for one in causes(error):
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None
        one.__cause__ = None
        one.__context__ = None
