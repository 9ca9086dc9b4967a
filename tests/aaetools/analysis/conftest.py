"""A linear stand-in for the estimator, so that analyses are tested without training networks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from aaetools.analysis.analyze import analyze
from aaetools.analysis.results import Analysis
from aaetools.labels import encode_labels, mask_labels, split_holdout


class GaussianTestPrior:
    """N(0, I), or components at ``distance`` times the unit vectors with unit covariance."""

    name = "test"

    def __init__(self, n_dims: int, n_components: int = 0, distance: float = 6.0) -> None:
        self.n_dims, self.n_components, self.n_classes = n_dims, n_components, n_components
        self.means = distance * torch.eye(max(n_components, 1), n_dims) * (n_components > 0)

    def sample(self, n: int, labels: Any = None, generator: Any = None) -> torch.Tensor:
        drawn = torch.randint(max(self.n_components, 1), (n,), generator=generator)
        labels = drawn if labels is None else torch.where(labels < 0, drawn, labels)
        return self.means[labels] + torch.randn((n, self.n_dims), generator=generator)

    def class_log_likelihood(self, z: torch.Tensor) -> torch.Tensor:
        return -0.5 * (z[:, None] - self.means[None]).square().sum(2)

    def class_log_posterior(self, z: torch.Tensor) -> torch.Tensor:
        return self.class_log_likelihood(z).log_softmax(1)

    def describe(self) -> dict[str, Any]:
        return {"n_dims": self.n_dims}


class LinearModel:
    """Codes are the leading principal axes; classes are the nearest class mean of the given labels."""

    def __init__(self, n_components: int = 4, unlabeled: Any = -1) -> None:
        self.n_components, self.unlabeled = n_components, unlabeled

    def fit(self, X: NDArray[Any], y: Any = None) -> LinearModel:
        self.center_, self.spread_ = X.mean(0), X.std()
        self.axes_ = np.linalg.svd(self.scale(X), full_matrices=False)[2][: self.n_components]
        labels = np.full(len(X), None, dtype=object) if y is None else y
        coding = encode_labels(labels, self.unlabeled)
        self.classes_ = coding.classes
        codes = self.transform(X)
        self.means_ = np.array([codes[coding.codes == k].mean(0) for k in range(len(self.classes_))])
        self.prior_ = GaussianTestPrior(self.n_components, min(len(self.classes_), self.n_components))
        self.history_ = {"epoch": [1.0, 2.0], "discriminator_accuracy": [0.9, 0.6]}
        self.n_components_, self.n_weights_, self.n_iter_ = self.n_components, self.axes_.size, 2
        self.scaling_, self.device_, self.n_features_in_ = "shared", "cpu", X.shape[1]
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "unlabeled": self.unlabeled,
            "prior": self.prior_,
            "f": len,
        }

    def scale(self, X: Any) -> NDArray[np.float32]:
        return np.asarray((np.asarray(X) - self.center_) / self.spread_, dtype=np.float32)

    def transform(self, X: Any) -> NDArray[np.float32]:
        return np.asarray(self.scale(X) @ self.axes_.T, dtype=np.float32)

    def inverse_transform(self, Z: Any) -> NDArray[np.float32]:
        return np.asarray(np.asarray(Z) @ self.axes_ * self.spread_ + self.center_, dtype=np.float32)

    def reconstruction_error(self, X: Any) -> NDArray[np.float32]:
        error: NDArray[np.float32] = np.square(self.transform(X) @ self.axes_ - self.scale(X)).mean(1)
        return error

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        score = -np.square(self.transform(X)[:, None] - self.means_[None]).sum(2)
        return np.asarray(torch.as_tensor(score).softmax(1).numpy())

    def sample(self, n: int, label: Any = None, random_state: int | None = None) -> NDArray[np.float32]:
        generator = torch.Generator().manual_seed(random_state or 0)
        k = None if label is None else torch.full((n,), int(np.flatnonzero(self.classes_ == label)[0]))
        return self.inverse_transform(self.prior_.sample(n, k, generator).numpy())


@pytest.fixture(scope="session")
def make_prior() -> type[GaussianTestPrior]:
    return GaussianTestPrior


@pytest.fixture(scope="session")
def make_model() -> type[LinearModel]:
    return LinearModel


@pytest.fixture(scope="session")
def digits() -> SimpleNamespace:
    """Rows of the digits 0 to 3: training with 8 labels per class, and a hold-out with all labels."""
    X, y = load_digits(n_class=4, return_X_y=True)
    train, holdout = split_holdout(y, 0.3, random_state=0)
    given = mask_labels(y[train], per_class=8, random_state=0)
    return SimpleNamespace(X=X[train], y=given, y_all=y[train], X_holdout=X[holdout], y_holdout=y[holdout])


@pytest.fixture(scope="session")
def digits_model(digits: SimpleNamespace) -> LinearModel:
    return LinearModel(4).fit(digits.X, digits.y)


@pytest.fixture(scope="session")
def analysis(digits: SimpleNamespace, digits_model: LinearModel) -> Analysis:
    dataset = SimpleNamespace(
        name="digits",
        source="scikit-learn",
        feature_names=tuple(f"pixel {i}" for i in range(64)),
        target_name="digit",
        image_shape=(8, 8),
        sha256="0" * 64,
    )
    return analyze(
        digits_model,
        digits.X,
        digits.y,
        X_holdout=digits.X_holdout,
        y_holdout=digits.y_holdout,
        dataset=dataset,
        embed=False,
        command="aaetools fit digits",
    )
