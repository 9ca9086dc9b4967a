"""Priors p(z): where the discriminator pushes the latent codes, and what a code then says about its class.

Every prior is a frozen dataclass with ``n_dims`` and ``n_classes`` (0 means no classes) that can be sampled per
class, and gives the class posterior p(k | z) that :meth:`AdversarialAutoencoder.predict_proba` returns. To add one,
write the class and put it into :data:`PRIORS`; estimator, command line and tests pick it up from there.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aaetools.exceptions import DataError

__all__ = [
    "PRIORS",
    "GaussianComponents",
    "GaussianPrior",
    "Prior",
    "RingPrior",
    "SampledPrior",
    "SimplexPrior",
    "SwissRollPrior",
    "UniformPrior",
    "default_n_dims",
    "make_prior",
]

_LOG_2PI = math.log(2 * math.pi)


class GaussianComponents(NamedTuple):
    """The Gaussians that a prior is a mixture of, float64; with as many as classes, the k-th is class k's."""

    weights: NDArray[np.float64]
    """Shares, shape (K,), summing to 1."""
    means: NDArray[np.float64]
    """Shape (K, n_dims)."""
    covariances: NDArray[np.float64]
    """Shape (K, n_dims, n_dims)."""


@dataclass(frozen=True)
class Prior(ABC):
    """A distribution over latent codes with one region per class.

    Parameters
    ----------
    n_dims
        Latent dimensions d.
    n_classes
        Number of classes K that have a region; 0 for a prior without classes.
    weights
        Share of each class in the whole prior, K positive numbers that sum to 1; equal shares by default.
    """

    name: ClassVar[str]
    separated: ClassVar[bool] = False
    """Whether there is next to no mass on the borders between classes. Codes can be asked to keep away from those
    borders only where that is so; on a swiss roll or in the sectors of a Gaussian they would tear away from p(z)."""
    n_dims: int
    n_classes: int = 0
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.n_dims < 1:
            raise DataError(f"a prior needs at least one latent dimension, got {self.n_dims}")
        if self.n_classes < 0:
            raise DataError(f"a prior cannot have {self.n_classes} classes")
        if self.weights is not None:
            if len(self.weights) != self.n_classes:
                raise DataError(f"{len(self.weights)} prior weights given for {self.n_classes} classes")
            if min(self.weights) <= 0 or abs(sum(self.weights) - 1) > 1e-6:
                raise DataError("prior weights must be positive and sum to 1")

    @property
    def n_components(self) -> int:
        """Number of class regions, an alias of ``n_classes``."""
        return self.n_classes

    @abstractmethod
    def _sample_classes(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw one code for each class code in ``labels`` (n,); all zeros where there are no classes."""

    @abstractmethod
    def class_log_likelihood(self, z: Tensor) -> Tensor:
        """Return log p(z | k) up to a term that does not depend on k, shape (n, max(K, 1))."""

    def sample(self, n: int, labels: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw codes.

        Parameters
        ----------
        n
            Number of codes.
        labels
            Class code of each draw, int64 of shape (n,); -1 draws from the whole prior, as does None.
        generator
            Source of randomness, on the device where the codes are wanted.

        Returns
        -------
        Tensor of float32, shape (n, n_dims)
        """
        device = generator.device if generator is not None else None
        if self.n_classes == 0:
            return self._sample_classes(torch.zeros(n, dtype=torch.long, device=device), generator)
        classes = torch.multinomial(self._weights(device), max(n, 1), replacement=True, generator=generator)[:n]
        if labels is not None:
            if labels.shape != (n,):
                raise DataError(f"labels of shape {tuple(labels.shape)} given for {n} draws")
            if n and labels.device.type == "cpu" and int(labels.max()) >= self.n_classes:  # elsewhere it would wait
                raise DataError(f"class code {int(labels.max())} asked of a prior with {self.n_classes} classes")
            classes = torch.where(labels.to(classes.device) < 0, classes, labels.to(classes.device))
        return self._sample_classes(classes, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z), shape (n,); raises DataError for a prior without a density."""
        joint = self.class_log_likelihood(z)
        if self.n_classes:
            joint = joint + self._weights(z.device).log()
        return joint.logsumexp(dim=1)

    def class_log_posterior(self, z: Tensor) -> Tensor:
        """Return log p(k | z) by Bayes' rule, shape (n, K); differentiable."""
        if self.n_classes == 0:
            raise DataError(f"the {self.name} prior was made without classes")
        joint = self.class_log_likelihood(z) + self._weights(z.device).log()
        return joint - joint.logsumexp(dim=1, keepdim=True)

    def gaussian_components(self) -> GaussianComponents | None:
        """Return the Gaussians that p(z) is a mixture of, None where it is none; the prior match computes with them."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return the parameters as plain values that :func:`make_prior` takes back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    def _weights(self, device: torch.device | None) -> Tensor:
        if self.weights is None:
            return torch.full((self.n_classes,), 1.0 / self.n_classes, device=device)
        return torch.tensor(self.weights, device=device)


def _normal(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, device=None if generator is None else generator.device)


def _uniform(n: int, generator: torch.Generator | None) -> Tensor:
    return torch.rand(n, generator=generator, device=None if generator is None else generator.device)


@dataclass(frozen=True)
class GaussianPrior(Prior):
    """Standard Gaussian N(0, std^2 I); classes, if any, get regions of equal probability.

    In one dimension the regions are intervals, in more they are sectors of the plane of the first two axes. The
    exact posterior of a region is 0 or 1; it is softened over about a tenth of a standard deviation so that it
    can be differentiated. Given weights set the sizes of the regions.
    """

    name: ClassVar[str] = "gaussian"
    std: float = 1.0
    softness: float = 0.1

    def _edges(self, device: torch.device | None) -> Tensor:
        """Return K+1 cumulative shares, from 0 to 1."""
        return torch.cat([torch.zeros(1, device=device), self._weights(device).cumsum(0).clamp(max=1.0)])

    def _sample_classes(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        z = _normal((len(labels), self.n_dims), generator)
        if self.n_classes:
            edges = self._edges(z.device)
            share = edges[labels] + (edges[labels + 1] - edges[labels]) * _uniform(len(labels), generator)
            if self.n_dims == 1:
                z = torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6))[:, None]
            else:
                radius, angle = z[:, :2].norm(dim=1), 2 * math.pi * share
                z = torch.cat([(radius * angle.cos())[:, None], (radius * angle.sin())[:, None], z[:, 2:]], dim=1)
        return self.std * z

    def class_log_likelihood(self, z: Tensor) -> Tensor:
        scaled = z / self.std
        density = -0.5 * (scaled.square() + _LOG_2PI).sum(1) - self.n_dims * math.log(self.std)
        if self.n_classes == 0:
            return density[:, None]
        # p(z | k) = p(z) 1[z in region k] / w_k, the indicator softened by the distance to the region's borders
        log_member = _soft_membership(self._border_distance(scaled), self.softness)
        return density[:, None] + log_member - self._weights(z.device).log()

    def gaussian_components(self) -> GaussianComponents:
        # one, with classes too: their regions are cut out of it and are no Gaussians themselves
        covariance = self.std**2 * np.eye(self.n_dims)
        return GaussianComponents(np.ones(1), np.zeros((1, self.n_dims)), covariance[None])

    def _border_distance(self, scaled: Tensor) -> Tensor:
        """Return the signed distance into each region, positive inside, shape (n, K)."""
        edges = self._edges(scaled.device)
        if self.n_dims == 1:
            borders = torch.special.ndtri(edges)
            return torch.minimum(scaled - borders[:-1], borders[1:] - scaled)
        radius: Tensor = scaled[:, :2].norm(dim=1, keepdim=True)
        angle = torch.atan2(scaled[:, 1:2], scaled[:, :1])
        middle, half = math.pi * (edges[:-1] + edges[1:]), math.pi * (edges[1:] - edges[:-1])
        gap = torch.remainder(angle - middle + math.pi, 2 * math.pi) - math.pi
        return radius * (half - gap.abs())


def _soft_membership(distance: Tensor, softness: float) -> Tensor:
    """Turn signed distances into log memberships that sum to one over the classes."""
    return (distance / softness).log_softmax(dim=1)


@dataclass(frozen=True)
class _Mixture(Prior):
    """A mixture of Gaussians, one component per class, each given by a mean and a diagonal in its own axes."""

    separated: ClassVar[bool] = True

    @cached_property
    def means(self) -> Tensor:
        """Component means, shape (max(K, 1), n_dims)."""
        raise NotImplementedError

    @cached_property
    def axes(self) -> Tensor | None:
        """Component axes as rows, shape (K, n_dims, n_dims); None where all share the coordinate axes."""
        return None

    @cached_property
    def stds(self) -> Tensor:
        """Standard deviation along each axis, shape (n_dims,)."""
        raise NotImplementedError

    def _sample_classes(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = _normal((len(labels), self.n_dims), generator)
        device = noise.device
        offset = noise * self.stds.to(device)
        if self.axes is not None:
            offset = torch.einsum("ni,nij->nj", offset, self.axes.to(device)[labels])
        return self.means.to(device)[labels] + offset

    def class_log_likelihood(self, z: Tensor) -> Tensor:
        means, stds = self.means.to(z), self.stds.to(z)
        constant = -0.5 * self.n_dims * _LOG_2PI - stds.log().sum()
        if self.axes is None:
            # |a - b|^2 by cdist's matrix product loses digits in float32; the direct form keeps them
            distance = ((z[:, None, :] - means[None]) / stds).square().sum(2)
        else:
            turned = torch.einsum("nki,kji->nkj", z[:, None, :] - means[None], self.axes.to(z))
            distance = (turned / stds).square().sum(2)
        return constant - 0.5 * distance

    def gaussian_components(self) -> GaussianComponents:
        means = self.means.double().numpy()
        axes = torch.eye(self.n_dims)[None] if self.axes is None else self.axes
        scaled = axes.double().numpy() * self.stds.double().numpy()[None, :, None]
        covariances = np.broadcast_to(scaled.swapaxes(1, 2) @ scaled, (len(means), self.n_dims, self.n_dims))
        weights = self._weights(None).double().numpy() if self.n_classes else np.ones(1)
        return GaussianComponents(weights / weights.sum(), means, covariances)


@dataclass(frozen=True)
class RingPrior(_Mixture):
    """Mixture of Gaussian petals on a ring in the first two axes (Makhzani et al. 2015, section 2.3, figure 4).

    Each petal points outward: ``std_along`` on the ray, ``std_across`` across it, ``std_along`` on further axes.
    Its centre lies at ``radius``; by default the ring is widened as far as the number of classes needs for
    neighbouring petals to stay ``separation`` standard deviations apart, and never below 1.4, public code's shift
    for ten.
    """

    name: ClassVar[str] = "ring"
    std_along: float = 0.5
    std_across: float = 0.1
    radius: float | None = None
    separation: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_dims < 2:
            raise DataError("the ring prior needs at least 2 latent dimensions")

    @cached_property
    def ring_radius(self) -> float:
        """Distance of the petals' centres from the origin."""
        if self.radius is not None:
            return self.radius
        if self.n_classes < 2:
            return 0.0 if self.n_classes == 0 else 1.4
        # neighbours must not touch where petals are closest together, two standard deviations inward
        chord = self.separation * self.std_across / (2 * math.sin(math.pi / self.n_classes))
        return max(1.4, chord + 2 * self.std_along)

    @cached_property
    def means(self) -> Tensor:
        angle = 2 * math.pi * torch.arange(max(self.n_classes, 1)) / max(self.n_classes, 1)
        means = torch.zeros(max(self.n_classes, 1), self.n_dims)
        means[:, 0], means[:, 1] = self.ring_radius * angle.cos(), self.ring_radius * angle.sin()
        return means

    @cached_property
    def axes(self) -> Tensor | None:
        angle = 2 * math.pi * torch.arange(max(self.n_classes, 1)) / max(self.n_classes, 1)
        axes = torch.eye(self.n_dims).repeat(max(self.n_classes, 1), 1, 1)
        axes[:, 0, 0], axes[:, 0, 1] = angle.cos(), angle.sin()
        axes[:, 1, 0], axes[:, 1, 1] = -angle.sin(), angle.cos()
        return axes

    @cached_property
    def stds(self) -> Tensor:
        stds = torch.full((self.n_dims,), self.std_along)
        stds[1] = self.std_across
        return stds


@dataclass(frozen=True)
class SimplexPrior(_Mixture):
    """Mixture of round Gaussians on the corners of a regular simplex: every class is as far from every other.

    K classes need K - 1 dimensions; further ones are "style" axes, shared by all classes, with standard
    deviation ``style_std``. With fewer dimensions the corners are spread as evenly as possible over a
    sphere wide enough to keep the closest two ``distance`` apart.
    """

    name: ClassVar[str] = "simplex"
    std: float = 0.5
    distance: float = 6 * math.sqrt(2)
    style_std: float = 0.5

    @cached_property
    def means(self) -> Tensor:
        k = max(self.n_classes, 1)
        if k == 1:
            return torch.zeros(1, self.n_dims)
        if k - 1 <= self.n_dims:
            centred = np.eye(k) - 1.0 / k
            # coordinates of the centred corners in their own (k - 1)-dimensional space
            basis = np.linalg.svd(centred)[2][: k - 1]
            corners = centred @ basis.T * (self.distance / math.sqrt(2))
        else:
            corners = _spread_points(k, self.n_dims)
            squared = np.square(corners[:, None] - corners[None]).sum(2) + np.where(np.eye(k, dtype=bool), np.inf, 0)
            corners *= self.distance / math.sqrt(squared.min())
        means = torch.zeros(k, self.n_dims)
        means[:, : corners.shape[1]] = torch.from_numpy(corners).float()
        return means

    @cached_property
    def stds(self) -> Tensor:
        stds = torch.full((self.n_dims,), self.style_std)
        stds[: max(self.n_classes - 1, 0)] = self.std
        return stds


def _spread_points(n: int, n_dims: int, n_steps: int = 500) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Spread n points over the unit sphere by letting them repel each other; always the same points."""
    if n_dims == 1:
        return np.linspace(-1.0, 1.0, n)[:, None]
    if n_dims == 2:
        angle = 2 * np.pi * np.arange(n) / n
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.random.RandomState(0).normal(size=(n, n_dims))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for step in range(n_steps):
        apart = points[:, None] - points[None]
        squared = np.square(apart).sum(2) + np.eye(n)
        push = (apart / squared[..., None] ** 2).sum(1)
        push /= np.linalg.norm(push, axis=1, keepdims=True).max()
        points += 0.1 * (1 - step / n_steps) * push
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


@dataclass(frozen=True)
class SwissRollPrior(Prior):
    """Swiss roll in the first two axes, cut into one segment per class (section 2.3, figure 4).

    A point at position u in [0, 1] has radius ``3 sqrt(u)`` and angle ``4 pi sqrt(u)``; class k owns the k-th slice of
    u (a slice as long as its weight), with Gaussian noise of ``noise_std``. Further axes are Gaussian with
    ``style_std``. Beyond ten classes the roll is widened in proportion, so that the slices stay as long as the
    paper's. Densities integrate over u on ``n_nodes`` midpoints for
    every ten classes.
    """

    name: ClassVar[str] = "swiss_roll"
    scale: float | None = None
    turns: float = 2.0
    noise_std: float = 0.1
    style_std: float = 1.0
    n_nodes: int = 800

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_dims < 2:
            raise DataError("the swiss roll prior needs at least 2 latent dimensions")

    def curve(self, u: Tensor) -> Tensor:
        """Return the roll at positions u, shape (n, 2)."""
        scale = 3.0 * max(1.0, self.n_classes / 10) if self.scale is None else self.scale
        root = u.sqrt()
        angle = 2 * math.pi * self.turns * root
        return scale * root[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)

    def _edges(self, device: torch.device | None) -> Tensor:
        if self.n_classes == 0:
            return torch.tensor([0.0, 1.0], device=device)
        return torch.cat([torch.zeros(1, device=device), self._weights(device).cumsum(0).clamp(max=1.0)])

    def _sample_classes(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        u = _uniform(len(labels), generator)
        edges = self._edges(u.device)
        u = edges[labels] + (edges[labels + 1] - edges[labels]) * u
        noise = _normal((len(labels), self.n_dims), generator)
        plane = self.curve(u) + self.noise_std * noise[:, :2]
        return torch.cat([plane, self.style_std * noise[:, 2:]], dim=1)

    def class_log_likelihood(self, z: Tensor) -> Tensor:
        n_nodes = self.n_nodes * max(1, math.ceil(self.n_classes / 10))
        u = (torch.arange(n_nodes, device=z.device) + 0.5) / n_nodes
        edges = self._edges(z.device)
        owner = torch.bucketize(u, edges[1:-1].contiguous())
        squared = (z[:, None, :2] - self.curve(u)[None]).square().sum(2)
        log_kernel = -0.5 * squared / self.noise_std**2 - _LOG_2PI - 2 * math.log(self.noise_std)
        per_class = []
        for k in range(len(edges) - 1):
            nodes = owner == k
            per_class.append(log_kernel[:, nodes].logsumexp(1) - math.log(max(int(nodes.sum()), 1)))
        style = -0.5 * ((z[:, 2:] / self.style_std).square() + _LOG_2PI + 2 * math.log(self.style_std)).sum(1)
        return torch.stack(per_class, dim=1) + style[:, None]


@dataclass(frozen=True)
class UniformPrior(Prior):
    """Uniform on the cube [-half_width, half_width]^d; classes, if any, are slabs along the first axis.

    The posterior of a slab is softened near its borders, as for :class:`GaussianPrior`.
    """

    name: ClassVar[str] = "uniform"
    half_width: float = math.sqrt(3.0)
    softness: float = 0.05

    def _edges(self, device: torch.device | None) -> Tensor:
        return torch.cat([torch.zeros(1, device=device), self._weights(device).cumsum(0).clamp(max=1.0)])

    def _sample_classes(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        device = None if generator is None else generator.device
        unit = torch.rand((len(labels), self.n_dims), generator=generator, device=device)
        if self.n_classes:
            edges = self._edges(device)
            first = edges[labels] + (edges[labels + 1] - edges[labels]) * unit[:, 0]
            unit = torch.cat([first[:, None], unit[:, 1:]], dim=1)
        return self.half_width * (2 * unit - 1)

    def class_log_likelihood(self, z: Tensor) -> Tensor:
        outside = (z.abs() > self.half_width).any(1)
        density = torch.where(outside, -torch.inf, -self.n_dims * math.log(2 * self.half_width))
        if self.n_classes == 0:
            return density[:, None]
        return density[:, None] + self._log_member(z) - self._weights(z.device).log()

    def _log_member(self, z: Tensor) -> Tensor:
        edges = self.half_width * (2 * self._edges(z.device) - 1)
        first = z[:, :1].clamp(-self.half_width, self.half_width)
        return _soft_membership(torch.minimum(first - edges[:-1], edges[1:] - first), self.softness)

    def class_log_posterior(self, z: Tensor) -> Tensor:
        if self.n_classes == 0:
            raise DataError("the uniform prior was made without classes")
        return self._log_member(z)  # defined outside the cube too, where the density is 0


@dataclass(frozen=True)
class SampledPrior(Prior):
    """Any prior that can be sampled, given as a function ``sampler(n, labels, generator)``.

    ``labels`` is an int64 tensor of class codes of shape (n,), or None where there are no classes; the function
    returns an array or tensor of shape (n, n_dims). There is no density, so ``log_prob`` raises; the class
    posterior is a kernel estimate on ``n_reference`` draws per class with Scott's bandwidth.
    """

    name: ClassVar[str] = "sampled"
    sampler: Callable[..., Any] | None = None
    n_reference: int = 500

    def _sample_classes(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.sampler is None:
            raise DataError("a sampled prior needs sampler=, a function of (n, labels, generator)")
        drawn = self.sampler(len(labels), labels if self.n_classes else None, generator)
        codes = torch.as_tensor(drawn, dtype=torch.float32, device=labels.device)
        if codes.shape != (len(labels), self.n_dims):
            raise DataError(
                f"the prior's sampler returned shape {tuple(codes.shape)}, expected {(len(labels), self.n_dims)}"
            )
        return codes

    @cached_property
    def _reference(self) -> tuple[Tensor, Tensor]:
        """Draws per class, shape (K, n_reference, n_dims), and the kernel's bandwidth per axis."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(self.n_classes).repeat_interleave(self.n_reference)
        codes = self._sample_classes(labels, generator).reshape(self.n_classes, self.n_reference, self.n_dims)
        bandwidth = codes.std(dim=1).mean(0) * self.n_reference ** (-1 / (self.n_dims + 4))
        return codes, bandwidth.clamp(min=1e-3)

    def class_log_likelihood(self, z: Tensor) -> Tensor:
        if self.n_classes == 0:
            raise DataError("a prior given as a sampler has no density")
        codes, bandwidth = (value.to(z) for value in self._reference)
        parts = [
            (-0.5 * ((z[:, None] - reference[None]) / bandwidth).square().sum(2)).logsumexp(1) for reference in codes
        ]
        return torch.stack(parts, dim=1)

    def log_prob(self, z: Tensor) -> Tensor:
        raise DataError("a prior given as a sampler has no density")

    def describe(self) -> dict[str, Any]:
        return {key: value for key, value in super().describe().items() if key != "sampler"}


PRIORS: dict[str, type[Prior]] = {
    cls.name: cls for cls in (GaussianPrior, RingPrior, SimplexPrior, SwissRollPrior, UniformPrior)
}
"""Named priors; a user's own sampler goes through :class:`SampledPrior`."""


def default_n_dims(name: str, n_classes: int) -> int:
    """Return the latent size that suits a prior where the user names none.

    A simplex of K corners needs K - 1 axes, and two are added for what varies within a class; with more than 33
    classes the corners are spread in 32 dimensions instead. All others get 2, which can be drawn.
    """
    if name == "simplex":
        return min(max(n_classes - 1, 0), 32) + 2
    return 2


def make_prior(name: str, *, n_dims: int, n_classes: int = 0, **parameters: Any) -> Prior:
    """Make a prior by name.

    Examples
    --------
    >>> prior = make_prior("ring", n_dims=2, n_classes=10)
    >>> prior.sample(5, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 2])
    """
    if name not in PRIORS:
        raise DataError(f"unknown prior {name!r}; choose from {', '.join(sorted(PRIORS))}")
    if parameters.get("weights") is not None:
        parameters["weights"] = tuple(parameters["weights"])
    return PRIORS[name](n_dims=n_dims, n_classes=n_classes, **parameters)
