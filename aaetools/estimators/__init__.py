"""scikit-learn estimators, one file each."""

from aaetools.estimators.adversarial_autoencoder import AdversarialAutoencoder

__all__ = ["AdversarialAutoencoder"]
