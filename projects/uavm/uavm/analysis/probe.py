"""Whether a layer still tells audio from video (figure 3)."""
from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np

from avmm.utils.errors import ConfigError


@dataclass(frozen=True)
class Probe:
    """A linear classifier of the modality of a feature.

    Attributes:
        accuracy: Share of the test half that it tells right.
        coefficients: Weight of each dimension ``(D,)``.
    """
    accuracy: float
    coefficients: np.ndarray

    @property
    def curve(self) -> np.ndarray:
        """Sizes of the weights, ascending ``(D,)``."""
        return np.sort(np.abs(self.coefficients))


def modality_probe(audio: np.ndarray, visual: np.ndarray, seed: int = 0, max_iter: int = 100) -> Probe:
    """Train a logistic regression with an L1 penalty to tell features of audio and video apart.

    The first half of the clips is for training, the rest for the test. The published program shuffles the rows by an
    unseeded generator; here it has a seed.

    Args:
        audio: Features ``(N, D)``.
        visual: Features of the same clips ``(N, D)``.
        seed: Seed of the shuffle.
        max_iter: Iterations of the solver (liblinear).

    Raises:
        ConfigError: If the shapes do not fit.
    """
    if audio.shape != visual.shape or audio.ndim != 2 or len(audio) < 2:
        raise ConfigError(f'a probe needs features (N, D) of at least 2 clips, got {audio.shape} and {visual.shape}')
    half = len(audio) // 2
    order = np.random.RandomState(seed).permutation(2 * half)
    train = np.concatenate([audio[:half], visual[:half]])[order]
    modality = np.repeat([0, 1], half)[order]
    model = _regression(max_iter).fit(train, modality)
    test = np.concatenate([audio[half:], visual[half:]])
    accuracy = model.score(test, np.repeat([0, 1], len(audio) - half))
    return Probe(float(accuracy), model.coef_[0])


def _regression(max_iter: int):
    from sklearn.linear_model import LogisticRegression
    options = dict(C=1.0, solver='liblinear', random_state=0, max_iter=max_iter)
    # scikit-learn 1.8 names the penalty by its share of L1.
    if inspect.signature(LogisticRegression).parameters['penalty'].default == 'deprecated':
        return LogisticRegression(l1_ratio=1.0, **options)
    return LogisticRegression(penalty='l1', **options)


def tsne_map(audio: np.ndarray, visual: np.ndarray, perplexity: float = 5.0, iterations: int = 5000,
             seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of both modalities in one plane, ``(N, 2)`` each (t-SNE, started from the principal components)."""
    from sklearn.manifold import TSNE
    names = inspect.signature(TSNE).parameters
    steps = {'max_iter' if 'max_iter' in names else 'n_iter': iterations}
    rows = np.concatenate([audio, visual])
    perplexity = min(perplexity, (len(rows) - 1) / 3)
    points = TSNE(2, perplexity=perplexity, init='pca', random_state=seed, **steps).fit_transform(rows)
    return points[:len(audio)], points[len(audio):]
