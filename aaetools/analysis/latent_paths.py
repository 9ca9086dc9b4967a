"""Ways through the latent space, decoded: along an axis, from code to code, from class to class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import softmax

from aaetools.analysis.features import decoded_in_units
from aaetools.analysis.results import LatentPath
from aaetools.exceptions import DataError, LabelError

__all__ = ["class_centres", "interpolate", "principal_ways", "straight_way", "traverse"]

_DRAWS_PER_CLASS = 400
_DRAWS_FOR_DENSITY = 2_000
_SAME_DENSITY = 1e-4
"""Log-densities that differ by less are equal: a uniform prior is as dense everywhere."""
_REACH = 2.0


def traverse(model: Any, z: ArrayLike, axis: int, values: ArrayLike, random_state: int = 0) -> LatentPath:
    """Move one code along a latent axis and decode it at each value.

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder`.
    z
        The code to start from, shape (n_axes,) or (1, n_axes), as in ``model.transform(X[:1])``.
    axis
        Which of its axes to change, counted from 0.
    values
        What to set it to, shape (n_steps,).
    random_state
        Seed of the prior's draws behind ``typicality``.

    Returns
    -------
    LatentPath
        ``position`` are the values.

    Raises
    ------
    DataError
        If there is no such axis, the code is of another length, or a number is not finite.
    """
    start = _codes(model, z, at_least=1)
    if len(start) > 1:
        raise DataError(f"{len(start)} codes were given to start from; give one")
    if not 0 <= axis < start.shape[1]:
        raise DataError(f"there is no latent axis {axis}; the model has {start.shape[1]}, counted from 0")
    position = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if position.ndim != 1 or position.size == 0 or not np.isfinite(position).all():
        raise DataError("values must be finite numbers, at least one, in one dimension")
    codes = np.repeat(start, len(position), axis=0)
    codes[:, axis] = position
    return _path(model, position, codes, random_state)


def interpolate(model: Any, Z: ArrayLike, n_steps: int = 9, random_state: int = 0) -> LatentPath:
    """Go in straight lines from code to code and decode on the way.

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder`.
    Z
        Two or more codes in the order in which to pass them, shape (n, n_axes): codes of rows, as in
        ``model.transform(X[[3, 8]])``, or :func:`class_centres`.
    n_steps
        Steps from one code to the next, both included.
    random_state
        Seed of the prior's draws behind ``typicality``.

    Returns
    -------
    LatentPath
        (n - 1) (n_steps - 1) + 1 steps.

    Raises
    ------
    DataError
        If there are fewer than two codes or steps, or codes of another length or not finite.
    """
    stops = _codes(model, Z, at_least=2)
    if n_steps < 2:
        raise DataError(f"a way has at least 2 steps, its two ends, not {n_steps}")
    return _path(model, *straight_way(stops, n_steps), random_state)


def straight_way(stops: NDArray[np.float32], n_steps: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return positions and codes of straight lines from code to code, as in :func:`interpolate`."""
    legs = len(stops) - 1
    step = np.arange(legs * (n_steps - 1) + 1)
    passed = np.minimum(step // (n_steps - 1), legs - 1)
    share = (step - passed * (n_steps - 1)) / (n_steps - 1)
    # not a + share (b - a): the ends are to be the codes given, to the last bit
    codes = (1 - share[:, None]) * stops[passed] + share[:, None] * stops[passed + 1]
    return passed + share, codes.astype(np.float32)


def class_centres(model: Any, random_state: int = 0) -> NDArray[np.float32]:
    """Return the middle of each class's region of the prior, shape (n_classes, n_axes), in the order of ``classes_``.

    That is the mean of draws from the class; where it lies outside of the region, as for a bent one, a draw near it.

    Raises
    ------
    LabelError
        If the model knows no classes, or its prior has no region for each.
    """
    import torch

    prior, n_classes = model.prior_, len(model.classes_)
    if n_classes == 0:
        raise LabelError("the model was fitted without labels, so its prior has no classes; go through rows instead")
    if prior.n_components != n_classes:
        raise LabelError(f"the prior has {prior.n_components} regions for {n_classes} classes; go through rows instead")
    labels = torch.arange(n_classes).repeat_interleave(_DRAWS_PER_CLASS)
    drawn = prior.sample(len(labels), labels=labels, generator=torch.Generator().manual_seed(random_state))
    groups = drawn.detach().cpu().numpy().reshape(n_classes, _DRAWS_PER_CLASS, -1)
    return np.stack([_middle(prior, k, group) for k, group in enumerate(groups)])


def principal_ways(
    model: Any, Z: ArrayLike, n_ways: int, n_steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return codes from -2 to 2 standard deviations along the main axes of codes, and each axis's share of variance.

    Parameters
    ----------
    Z
        Codes that say where the middle and the main axes are, shape (n, n_axes).
    n_ways
        Axes, at most; those without spread are left out.
    n_steps
        Codes along each.

    Returns
    -------
    codes : ndarray of float32, shape (at most n_ways, n_steps, n_axes)
    shares : ndarray of shape (at most n_ways,)
    """
    codes = _codes(model, Z, at_least=1).astype(np.float64)
    middle = codes.mean(axis=0)
    spread, axes = np.linalg.svd(codes - middle, full_matrices=False)[1:]
    spread = spread / np.sqrt(len(codes))
    kept = np.flatnonzero(spread > 1e-6)[:n_ways]
    # a principal axis has no direction of its own: its largest entry points up, so that it is the same everywhere
    signs = np.sign(axes[kept, np.abs(axes[kept]).argmax(axis=1)]) if len(kept) else np.empty(0)
    reach = np.linspace(-_REACH, _REACH, n_steps)
    moved = reach[None, :, None] * (signs * spread[kept])[:, None, None] * axes[kept][:, None, :]
    shares = np.square(spread[kept]) / max(float(np.square(spread).sum()), 1e-300)
    return (middle + moved).astype(np.float32), shares


def _middle(prior: Any, k: int, group: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of class k's draws if the class is as dense there as at most of them, else a dense draw near."""
    import torch

    mean = group.mean(axis=0, keepdims=True)
    with torch.inference_mode():
        density = prior.class_log_likelihood(torch.from_numpy(np.concatenate([group, mean])))[:, k].numpy()
    if density[-1] >= np.quantile(density[:-1], 0.25):
        return np.asarray(mean[0])
    near = np.argsort(cdist(mean, group)[0], kind="stable")[: len(group) // 4]
    return np.asarray(group[near[density[near].argmax()]])


def _codes(model: Any, Z: ArrayLike, at_least: int) -> NDArray[np.float32]:
    codes = np.atleast_2d(np.asarray(Z, dtype=np.float32))
    d = int(model.n_components_)
    if codes.ndim != 2 or codes.shape[1] != d:
        raise DataError(f"codes have shape {codes.shape}; the model's have {d} axes, so give shape (n, {d})")
    if len(codes) < at_least:
        raise DataError(f"{len(codes)} codes were given; at least {at_least} are needed")
    broken = ~np.isfinite(codes).all(axis=1)
    if broken.any():
        raise DataError(f"code {int(np.argmax(broken))} (counted from 0) holds NaN or infinity")
    return codes


def _path(model: Any, position: NDArray[np.float64], codes: NDArray[np.float32], random_state: int) -> LatentPath:
    import torch

    z = torch.from_numpy(codes)
    labels: tuple[str, ...] = ()
    confidence = None
    if len(model.classes_):
        with torch.inference_mode():
            proba = softmax(model.prior_.class_log_posterior(z).double().numpy(), axis=1)
        labels = tuple(str(model.classes_[k]) for k in proba.argmax(axis=1))
        confidence = proba.max(axis=1).astype(np.float32)
    return LatentPath(
        position=position,
        codes=codes,
        decoded=decoded_in_units(model, codes),
        labels=labels,
        confidence=confidence,
        typicality=_typicality(model.prior_, z, random_state),
    )


def _typicality(prior: Any, z: Any, random_state: int) -> NDArray[np.float32] | None:
    """Return the share of prior draws whose density is no higher than each code's; None without a density."""
    import torch

    drawn = prior.sample(_DRAWS_FOR_DENSITY, generator=torch.Generator().manual_seed(random_state))
    try:
        with torch.inference_mode():
            own, density = prior.log_prob(drawn).double().numpy(), prior.log_prob(z).double().numpy()
    except DataError:
        return None
    below = np.searchsorted(np.sort(own), density + _SAME_DENSITY, side="right")
    return np.asarray(below / len(own), dtype=np.float32)
