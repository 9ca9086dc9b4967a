"""Interrupts and requests to end: training saves where it is first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aaetools.exceptions import Interrupted

if TYPE_CHECKING:
    from aaetools.training import Checkpoints

__all__ = ["Interrupts", "interrupts"]

_PATIENCE = 4.0
"""Seconds that a step may take to end before the program ends without having saved it."""


class Interrupts:
    """What a signal does: while ``checkpoints`` train they save the step in hand first, else it ends the program."""

    def __init__(self) -> None:
        self.checkpoints: Checkpoints | None = None

    def __call__(self, signum: int, frame: object) -> None:
        """Handle a signal; the second one waits for nothing."""
        interrupted = Interrupted(signum)
        checkpoints = self.checkpoints
        if checkpoints is None or not checkpoints.training or checkpoints.interrupt is not None:
            raise interrupted
        checkpoints.interrupt = interrupted
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)

    def too_late(self, signum: int, frame: object) -> None:
        """End the program: the step takes too long."""
        if self.checkpoints is not None and self.checkpoints.interrupt is not None:
            raise self.checkpoints.interrupt


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Handle interrupts and requests to end while a block runs, where this thread may."""
    handler = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    handlers: dict[int, Callable[[int, object], None]] = {signal.SIGINT: handler, signal.SIGTERM: handler}
    if hasattr(signal, "setitimer"):
        handlers[signal.SIGALRM] = handler.too_late
    before = {signum: signal.signal(signum, handle) for signum, handle in handlers.items()}
    try:
        yield handler
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handle in before.items():
            signal.signal(signum, handle)
