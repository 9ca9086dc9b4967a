"""scikit-learn's own callbacks beside ours: each epoch is a task of the fit.

That interface is experimental, and there from scikit-learn 1.9 on; before, nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aaetools.training.callbacks import Callback, TrainingContext

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]  # the other one's stand-in
        """Stands in for scikit-learn's mixin."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Stand in for scikit-learn's decorator."""
        return method


__all__ = ["CallbackSupportMixin", "FitTasks", "with_callbacks"]


class FitTasks(Callback):
    """Tells callbacks that were given by ``set_callbacks`` of the fit and of its epochs.

    They get the rows and labels of the fit and, where they ask for one, an estimator as if training had ended. One that
    returns True does end it. Losses are for our own callbacks: metadata are what scorers take, such as weights.

    Parameters
    ----------
    estimator
        The one that is fitted, with scikit-learn's ``CallbackSupportMixin``.
    X, y
        What it is fitted to.
    so_far
        Returns what makes a fitted estimator of the one in training.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, so_far: Callable[[], dict[str, Any]]) -> None:
        self.estimator = estimator
        self.told = {"estimator": estimator, "X": X, "y": y, "metadata": {}, "reconstruction_attributes": so_far}

    def on_fit_start(self, context: TrainingContext) -> None:
        """Begin the fit and its first epoch."""
        self.fit = self.estimator._init_callback_context(max_subtasks=context.max_epochs)
        self.fit.call_on_fit_task_begin(**self.told)
        self._begin_epoch()

    def on_epoch_end(self, context: TrainingContext) -> None:
        """End an epoch, and begin the next one if there is one."""
        if self.epoch.call_on_fit_task_end(**self.told):
            context.stop = True
        elif context.epoch < context.max_epochs and not context.stop:
            self._begin_epoch()

    def on_fit_end(self, context: TrainingContext) -> None:
        """End the fit."""
        self.fit.call_on_fit_task_end(**self.told)

    def _begin_epoch(self) -> None:
        self.epoch = self.fit.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.told)
