"""A second process that gets ready while the first one trains.

Training a small network keeps one core busy. Meanwhile the second process imports and compiles what comes after it;
it then computes the UMAP picture beside the other parts of the analysis, and renders the report.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aaetools.analysis import Analysis

__all__ = ["render_report", "second_process"]


@contextmanager
def second_process() -> Iterator[Executor | None]:
    """Yield a pool of one process that is getting ready, None where there is only one core to run on.

    The process is started afresh on every system, so that it shares no state with this one; it computes nothing that
    this one would not compute to the same bits. It ends with the block, and with this process however that ends.
    """
    if _n_cores() < 2:
        yield None
        return
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_settle)
    try:
        with _uninterrupted():
            executor.submit(_get_ready)
        yield executor
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()  # it has nothing to put away, and what it is still busy with nobody waits for
        executor.shutdown(cancel_futures=True)


def render_report(analysis: Analysis, executor: Executor | None = None, *, explorer: bool = True) -> str:
    """Return the report of an analysis, rendered in the second process if there is one that still runs."""
    if executor is not None:
        try:
            return executor.submit(_render, analysis, explorer).result()
        except BrokenProcessPool:
            pass
    return _render(analysis, explorer)


def _render(analysis: Analysis, explorer: bool) -> str:
    from aaetools.reports import render  # not at the top of this module: where it runs it loads matplotlib

    return render(analysis, explorer=explorer)


def _get_ready() -> None:
    """Import and compile; whatever goes wrong here will go wrong again, and be told, when it is needed."""
    import bokeh.plotting  # noqa: F401
    import umap  # noqa: F401

    from aaetools.analysis import compile_umap
    from aaetools.reports import plots  # noqa: F401  # matplotlib and seaborn

    if "tqdm" in sys.modules:  # umap's progress bars make a lock for all processes, reported as lost at the kill
        sys.modules["tqdm"].tqdm.set_lock(threading.RLock())
    compile_umap()


def _settle() -> None:
    """Leave interrupts to the first process, show no warnings of other libraries as it does, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    first = multiprocessing.parent_process()
    if first is not None:
        threading.Thread(target=_end_with, args=(first,), daemon=True).start()


def _end_with(process: Any) -> None:
    process.join()
    os._exit(1)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes that ignore interrupts from their first moment: they would print a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers can be set by the main thread only
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _n_cores() -> int:
    """Return on how many cores this process may run."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return (os.cpu_count() or 1) if affinity is None else len(affinity(0))
