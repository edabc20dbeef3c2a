"""A yardstick without training: the nearest class mean, with means of unseen classes guessed from word vectors."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from projects.tcaf.tcaf.dataset import MODALITIES, GZSLDataset
from projects.tcaf.tcaf.evaluation import Calibration, calibrate, combined_beta

#: Calibrations: distances lie in 0 to 2.
BETAS = tuple(np.linspace(0, 1, 101).tolist())


@dataclass(frozen=True)
class NearestClassMean:
    r"""Class means in the space of features, those of unseen classes by ridge regression from word vectors.

    Features are centred, and each modality is scaled so that its clips have unit length in the mean; then clips have
    unit length. The mean :math:`m_c` of a class that was seen is that of its clips. For the others, the linear map
    from word vectors :math:`w_c` to means that fits the seen classes best,
    :math:`\hat m_u = (w_u - \bar w) W^\top (W W^\top + \lambda I)^{-1} M + \bar m` with the rows
    :math:`w_c - \bar w` and :math:`m_c - \bar m`, tells what theirs would be. Means have unit length too; the distance
    is L2. This is a yardstick of AVMM, not a published method.

    Attributes:
        centres: What is subtracted from the features of a modality, ``{modality: (D,)}``.
        scales: What they are divided by, ``{modality: length}``.
        means: Means of the classes ``(C, D)``, all modalities in one row.
    """
    centres: dict[str, np.ndarray]
    scales: dict[str, float]
    means: np.ndarray

    @classmethod
    def fit(cls, features: Mapping[str, np.ndarray], labels: np.ndarray, words: np.ndarray, class_ids: np.ndarray,
            ridge: float = 0.1) -> NearestClassMean:
        """Means of the classes ``class_ids``.

        Args:
            features: Features of the clips to learn from, ``{modality: (N, D)}``.
            labels: Their classes ``(N,)``.
            words: Word vectors of all classes of the data set ``(A, E)``, by number.
            class_ids: The classes ``(C,)`` that are wanted.
            ridge: The weight of the ridge, in units of the mean of the diagonal of the kernel of the words.
        """
        centres = {m: x.mean(0) for m, x in features.items()}
        scales = {m: float(np.linalg.norm(x - centres[m], axis=1).mean()) or 1.0 for m, x in features.items()}
        unit, seen = cls(centres, scales, np.zeros((0, 0))).unit(features), np.unique(labels)
        means = np.stack([unit[labels == label].mean(0) for label in seen])
        middle_word, middle = words[seen].mean(0), means.mean(0)
        known = words[seen] - middle_word
        kernel = known @ known.T
        kernel += ridge * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
        wanted = np.asarray(class_ids)
        found = (words[wanted] - middle_word) @ known.T @ np.linalg.solve(kernel, means - middle) + middle
        is_seen = np.isin(wanted, seen)
        found[is_seen] = means[np.searchsorted(seen, wanted[is_seen])]
        return cls(centres, scales, _unit(found))

    def unit(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Features of clips in one row of unit length ``(N, D)``."""
        return _unit(np.concatenate([(features[m] - self.centres[m]) / self.scales[m] for m in self.centres], axis=1))

    def distances(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Distances of clips to the classes ``(N, C)``."""
        return np.sqrt(np.maximum(2 - 2 * self.unit(features) @ self.means.T, 0))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def clip_means(dataset: GZSLDataset, batch_size: int = 64) -> dict[str, np.ndarray]:
    """Features of every clip, averaged over time, ``{modality: (N, D)}``."""
    batches = []
    for first in range(0, len(dataset), batch_size):
        inputs = dataset.__getitems__(range(first, min(first + batch_size, len(dataset))))['inputs']
        if f'{MODALITIES[0]}_mask' in inputs:
            # Padding is zero, so a sum over time is one over what is valid.
            batches.append({m: (inputs[m].sum(1) / inputs[f'{m}_mask'].sum(1, keepdim=True)).numpy()
                            for m in MODALITIES})
        else:
            batches.append({m: inputs[m].numpy().copy() for m in MODALITIES})
    return {m: np.concatenate([batch[m] for batch in batches]) for m in MODALITIES}


def two_stage_class_means(make: Callable[[str], GZSLDataset], ridge: float = 0.1) -> dict[str, Calibration]:
    """The protocol of the benchmark with class means: calibrated on ``val``, tested after training and validation.

    Args:
        make: Gives the data set of a split.
        ridge: See :meth:`NearestClassMean.fit`.

    Returns:
        Results of ``'val'``, for all calibrations, and of ``'test'``, for the best one of them.
    """
    results, betas = {}, BETAS
    for learned, tested in (('train', 'val'), ('train_val', 'test')):
        known, asked = make(learned), make(tested)
        about = asked.metainfo
        means = NearestClassMean.fit(clip_means(known), known.labels, known.all_words.double().numpy(),
                                     np.array(about['class_ids']), ridge)
        results[tested] = calibrate(means.distances(clip_means(asked)), asked.labels, about['class_ids'],
                                    about['seen_ids'], about['unseen_ids'], betas)
        betas = [combined_beta([results[tested].beta])]
    return results
