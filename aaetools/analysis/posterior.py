"""The model's class posterior, tempered so that it says how sure the model is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

__all__ = ["tempered_log_odds", "tempered_posterior"]

_SHARPNESS = 8.0
"""Log-odds of a typical prior draw's class after tempering, as in the recipe's consistency term."""


def tempered_log_odds(model: Any, X: ArrayLike) -> NDArray[np.float64]:
    """Return log p(k | z) at each row's code divided by the prior's temperature, shape (n_rows, n_classes).

    See :func:`aaetools.training.consistency.posterior_temperature`. The regions of a good prior lie so far apart that
    the posterior itself is 0 or 1 for nearly every row.
    """
    import torch

    from aaetools.training.consistency import posterior_temperature

    z = torch.as_tensor(np.asarray(model.transform(X), dtype=np.float32))
    with torch.inference_mode():
        log_odds = model.prior_.class_log_posterior(z).double().numpy()
    return np.asarray(log_odds / posterior_temperature(model.prior_, _SHARPNESS))


def tempered_posterior(model: Any, X: ArrayLike) -> NDArray[np.float64]:
    """Return the tempered class posterior of each row, rows sum to 1, shape (n_rows, n_classes)."""
    return np.asarray(softmax(tempered_log_odds(model, X), axis=1))
