"""What a video shows, among classes that are given by their word vectors."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from avmm.apis.clips import describe
from avmm.apis.features import build_extractors, extract_features, given_features
from avmm.apis.inferencer import Answer, AVInferencer, Item, class_name, ranked
from avmm.engine.checkpoint import load_checkpoint
from avmm.extraction import Media
from avmm.registry import INFERENCERS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from projects.tcaf.tcaf.collation import Collation
from projects.tcaf.tcaf.models import GZSLModel
from projects.tcaf.tcaf.models.sequence_model import SequenceModel
from projects.tcaf.tcaf.word_vectors import read_word_vectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODALITIES = ('audio', 'visual')


@INFERENCERS.register_module()
class ZeroShotInferencer(AVInferencer):
    """The nearest class of videos, among any classes that have word vectors: trained on or not.

    Features of a video come from extractors. Instead of a video, features will do: a dictionary ``{'audio': (T_a,
    D_a), 'visual': (T_v, D_v)}``, or an ``.npz`` file of them, as the extractors of the benchmark make them. Models of
    averaged features take their means over time.

    Each answer; ``score`` is the softmax of negative distances, and ``unseen`` the best class that was not trained
    on::

        {'file': 'a.mp4', 'label': 'Archery', 'index': 2, 'score': 0.11, 'seen': True,
         'unseen': {'label': 'Typing', 'index': 94, 'score': 0.02}, 'beta': 0.4,
         'top': {'both': [{'label': 'Archery', 'index': 2, 'score': 0.11}, ...]}, 'distances': {'both': [C numbers]}}

    Args:
        config: A config, its file, or the name of a model.
        checkpoint: Weights. That of a run also knows the constant of calibration.
        device: Where the model and the extractors run.
        words: Word vectors, ``{phrase: (300,)}`` or their file (``word_embeddings_*.npy``); those of the test split of
            the config's data set by default. They have to be of the same space and norm as in training.
        classes: Which of these classes to choose from, by their phrases; without ``words``, by their names in the data
            set. All by default.
        seen: Those that were trained on; they are handicapped by ``beta``. Without ``words``, those of the data set.
        beta: The constant of calibration; that of the checkpoint by default, 0 without one.
        extractors: ``{name: config of a FeatureExtractor}``, or the file of a config with such ``extractors``; those
            of the model's config by default.
        **kwargs: ``workers``, ``seed`` and ``trust`` of :class:`AVInferencer`.

    Raises:
        ConfigError: If an argument cannot be, or a class has no word vector.

    Example:
        >>> inferencer = ZeroShotInferencer(  # doctest: +SKIP
        ...     'tcaf_cls_ucf', 'work_dirs/tcaf_cls_ucf/stage2_epoch_7.pth', words='word_embeddings_ucf_normed.npy',
        ...     classes=['Archery', 'Typing'], extractors='extractors.py')
        >>> inferencer(['archer.mp4'])[0]['label']  # doctest: +SKIP
        'Archery'
    """

    task = 'Audio-visual zero-shot classification'
    models = GZSLModel

    def __init__(self, config, checkpoint=None, device=None, *, words: Mapping | str | os.PathLike | None = None,
                 classes: Sequence[str] | None = None, seen: Sequence[str] | None = None, beta: float | None = None,
                 extractors: Mapping[str, dict] | str | os.PathLike | None = None, **kwargs):
        self._words, self._seen = words, seen
        super().__init__(config, checkpoint, device, classes=classes, **kwargs)
        if beta is None and checkpoint is not None:
            beta = load_checkpoint(checkpoint, trust=kwargs.get('trust', False)).get('zero_shot', {}).get('beta')
        self.beta = float(beta or 0.0)
        self.temporal = isinstance(self.model, SequenceModel)
        self.collation = Collation(**(self.data_config().get('seq_len') or {}))
        self.extractors = build_extractors(self.cfg.get('extractors') if extractors is None else extractors,
                                           self.model.modalities, self.device)

    # Classes -------------------------------------------------------------------------------------------------------

    def _class_names(self, given: Sequence[str] | None) -> tuple[str, ...]:
        """Give the model its classes; returns their names."""
        vectors, seen = self._vectors(given)
        names = tuple(given) if given is not None else tuple(vectors)
        lacking = [name for name in (*names, *seen) if name not in vectors]
        if lacking:
            raise ConfigError(f'the class {lacking[0]!r} has no word vector; there are {len(vectors)}, such as '
                              f'{", ".join(list(vectors)[:3])}')
        if len(names) < 2 or len(set(names)) != len(names):
            raise ConfigError(f'classes: choose among two different ones at least, got {", ".join(names)}')
        self.model.set_classes(np.stack([vectors[name] for name in names]), range(len(names)))
        self.is_seen = torch.tensor([name in set(seen) for name in names])
        return names

    def _vectors(self, given: Sequence[str] | None) -> tuple[Mapping[str, np.ndarray], Sequence[str]]:
        """``{name: (300,)}`` of all classes to choose from, and the names of those that were trained on."""
        if self._words is not None:
            words = self._words
            vectors = words if isinstance(words, Mapping) else read_word_vectors(words)
            return {name: np.asarray(v, np.float32) for name, v in vectors.items()}, list(self._seen or ())
        if self.data is None:
            raise ConfigError('the data set of the config is not there, so that no class is known; give words=... '
                              'with word vectors')
        about, all_names = self.data.metainfo, self.data.classes_of_all.names
        numbers = about['class_ids'] if given is None else range(len(all_names))
        vectors = {all_names[i]: self.data.all_words[i].numpy() for i in numbers}
        seen = self._seen if self._seen is not None else [all_names[i] for i in about['seen_ids'] if i in numbers]
        return vectors, seen

    # Inputs --------------------------------------------------------------------------------------------------------

    def prepare(self, item: Item) -> Answer:
        """Load the units of a video, or take features as they are."""
        features = given_features(item, MODALITIES)
        if features is not None:
            name, arrays = features
            inputs = self._collate(name, arrays)
            return Answer(name, inputs, AVDataSample(metainfo=dict(sample_id=Path(name).stem)))
        name, results = describe(item)
        if 'video_path' not in results:
            raise DataError(f'{name}: a video with sound is needed, or an .npz file of features')
        if not self.extractors:
            raise ConfigError('a video needs extractors of features: give extractors=... with the file of a config '
                              'that has them, or features in the place of videos')
        media = Media(results['video_path'])
        units = {modality: extractor.load(media) for modality, extractor in self.extractors.items()}
        return Answer(name, {}, AVDataSample(metainfo=dict(sample_id=results['sample_id'])), dict(units=units))

    def _collate(self, name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Inputs of one clip without an axis of the batch, as the data set makes them."""
        lacking = [m for m in self.model.modalities if m not in arrays or not len(arrays[m])]
        if lacking:
            raise DataError(f'{name}: the features of {" and ".join(lacking)} are missing')
        arrays = {m: np.asarray(arrays[m], np.float32) for m in self.model.modalities}
        if not self.temporal:
            return {m: torch.from_numpy(x.mean(0) if x.ndim == 2 else x) for m, x in arrays.items()}
        flat = [m for m, x in arrays.items() if x.ndim != 2]
        if flat:
            raise DataError(f'{name}: {type(self.model).__name__} takes sequences (T, D), got {arrays[flat[0]].shape} '
                            f'for {flat[0]}')
        steps = {m: np.array([len(arrays[m])]) if m in arrays else np.array([1]) for m in MODALITIES}
        rng = self.rng()
        window = self.collation.window(steps['audio'], steps['visual'], lambda i, n: int(rng.integers(n)))
        inputs = {}
        for m, values in arrays.items():
            length, first, kept = window.length[m], int(window.starts[m][0]), int(window.kept[m][0])
            inputs[m] = torch.zeros(length, values.shape[1])
            inputs[m][:kept] = torch.from_numpy(values[first:first + kept])
            inputs[f'{m}_mask'] = torch.from_numpy(window.mask(m)[0])
            inputs[f'{m}_time'] = torch.from_numpy(self.collation.times(m, length))
        return inputs

    # Running -------------------------------------------------------------------------------------------------------

    def run(self, batch: list[Answer]) -> None:
        """Extract the features of videos, then predict."""
        waiting = [answer for answer in batch if 'units' in answer.info]
        found: list[dict[str, np.ndarray]] = [{} for _ in waiting]
        for modality, extractor in self.extractors.items() if waiting else ():
            arrays = extract_features(extractor, [answer.info['units'][modality] for answer in waiting], self.device)
            for features, array in zip(found, arrays, strict=True):
                features[modality] = array
        for answer, features in zip(waiting, found, strict=True):
            answer.inputs = self._collate(answer.name, features)
            del answer.info['units']
        super().run(batch)

    # Answers -------------------------------------------------------------------------------------------------------

    def result(self, answer: Answer, top: int = 5) -> dict[str, Any]:
        """The nearest class, seen or not, and the nearest of those that were not trained on.

        Args:
            answer: A sample with predictions.
            top: Classes to name of each mode.
        """
        scores = self._scores(answer)
        main = scores.get('both', next(iter(scores.values())))
        best = int(main.argmax())
        found = dict(label=class_name(self.classes, best), index=best, score=float(main[best]),
                     seen=bool(self.is_seen[best]), beta=self.beta,
                     top={mode: ranked(values, self.classes, top) for mode, values in scores.items()},
                     distances={mode: d.float().cpu().tolist() for mode, d in answer.sample.gzsl_distances.items()})
        if not self.is_seen.all():
            place = int(main.masked_fill(self.is_seen, -1).argmax())
            found['unseen'] = dict(label=class_name(self.classes, place), index=place, score=float(main[place]))
        return found

    def _scores(self, answer: Answer) -> dict[str, Tensor]:
        """Softmax ``{mode: (C,)}`` of negative distances, those of seen classes lengthened by the constant."""
        return {mode: (-(d.float().cpu() + self.beta * self.is_seen)).softmax(0)
                for mode, d in answer.sample.gzsl_distances.items()}

    def figure(self, answer: Answer) -> Figure:
        """Bars of the best classes."""
        from avmm.visualization.plots import draw_class_scores
        from avmm.visualization.style import new_figure
        figure, axes = new_figure(1, 1, size=(4.2, 3.0))
        draw_class_scores(axes[0][0], self._scores(answer), self.classes, title=answer.result['label'])
        figure.suptitle(str(answer.sample.get('sample_id', '')), fontsize=9)
        return figure
