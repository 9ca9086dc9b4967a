"""How many threads the analysis uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_thread_for"]

_WORTH_SHARING = 2**22
"""Numbers in a table below which a second thread costs more than it brings.

Handing out small products takes longer than computing them, some hundred times as long where another program wants the
other cores. Sums that are not divided among threads are also the same on every machine.
"""


@contextmanager
def one_thread_for(n_values: int) -> Iterator[None]:
    """Run a block on one thread if its table of ``n_values`` numbers is small, and put the settings back afterwards."""
    if n_values >= _WORTH_SHARING:
        yield
        return
    with threadpool_limits(1):  # of linear algebra and of OpenMP, which are numpy's, scikit-learn's and torch's threads
        yield
