"""Classes of clips, and clips that belong to a sound or to a picture, by the models of UAVM."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from avmm.apis.clips import describe
from avmm.apis.features import Configs, build_extractors, extract_features, given_features
from avmm.apis.inferencer import BATCH_SIZE, Answer, AVInferencer, Item, class_answer
from avmm.datasets.feature_store import FeatureStore
from avmm.evaluation.functional import cosine_similarity
from avmm.extraction import Media
from avmm.registry import INFERENCERS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from projects.uavm.uavm.models import CrossModalityTransformer, FeatureTransformer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODALITIES = ('audio', 'visual')


@INFERENCERS.register_module()
class UAVMInferencer(AVInferencer):
    """Classes of clips, by the features of their sound, of their frames, or of both.

    A clip is a video, a file of sound, a dictionary of features ``{'audio': (T_a, D), 'visual': (T_v, D)}`` or an
    ``.npz`` file of them; of UAVM and the modality-independent models, one of the two will do. Files need extractors.
    Features are cut or padded as the config's data set does it.

    Each answer::

        {'file': 'a.mp4', 'label': 'playing violin', 'index': 20, 'score': 0.93, 'missing': [],
         'top': {'joint': [{'label': ..., 'index': ..., 'score': ...}, ...], 'audio': [...], 'visual': [...]},
         'scores': {'joint': [C numbers], 'audio': [...], 'visual': [...]}}

    Args:
        config: A config, its file, or the name of a model.
        checkpoint: Weights.
        device: Where the model and the extractors run.
        extractors: ``{name: config of a FeatureExtractor}``, or the file of a config with such ``extractors``; those
            of the model's config by default.
        feat_norm: Whether features are divided by their length; what the config's data set does by default.
        **kwargs: ``classes``, ``workers``, ``seed`` and ``trust`` of :class:`AVInferencer`.

    Raises:
        ConfigError: If an argument cannot be.
    """

    task = 'Audio-visual classification'
    models = FeatureTransformer

    def __init__(self, config, checkpoint=None, device=None, *, extractors: Configs | None = None,
                 feat_norm: bool | None = None, **kwargs):
        super().__init__(config, checkpoint, device, **kwargs)
        # Scores that people read.
        self.model.scores = 'probabilities'
        self.feat_norm = self.data_config().get('feat_norm', True) if feat_norm is None else feat_norm
        self.extractors = build_extractors(self.cfg.get('extractors') if extractors is None else extractors,
                                           self.model.modalities, self.device, all_needed=False)

    # Inputs --------------------------------------------------------------------------------------------------------

    def prepare(self, item: Item) -> Answer:
        """Load the units of a file, or take features as they are."""
        given = given_features(item, self.model.modalities)
        if given is not None:
            name, arrays = given
            answer = Answer(name, {m: self.finished(name, m, x) for m, x in arrays.items()})
        else:
            name, units = self._load(item)
            answer = Answer(name, info=dict(units=units))
        missing = [m for m in self.model.modalities if m not in (answer.inputs or answer.info.get('units', {}))]
        if missing and (isinstance(self.model, CrossModalityTransformer) or len(missing) == len(MODALITIES)):
            raise DataError(f'{name}: the features of {" and ".join(missing)} are missing')
        answer.info['missing'] = missing
        answer.sample = AVDataSample(metainfo=dict(sample_id=Path(name).stem))
        return answer

    def _load(self, item: Item) -> tuple[str, dict[str, Tensor]]:
        """Units of a file for each extractor that finds something in it."""
        name, results = describe(item)
        path = results.get('video_path', results.get('audio_path'))
        if path is None:
            raise DataError(f'{name}: a video or a file of sound is needed, or an .npz file of features')
        streams = results.get('streams')
        there = dict(audio=streams is None or bool(streams.audio), visual=streams is not None and bool(streams.visual))
        if not any(there[m] for m in self.extractors):
            raise ConfigError(f'{name} needs extractors of its features: give extractors=... with the file of a '
                              'config that has them, or features in the place of files')
        media = Media(path)
        return name, {m: extractor.load(media) for m, extractor in self.extractors.items() if there[m]}

    def finished(self, name: str, modality: str, array: np.ndarray) -> Tensor:
        """Features ``(T, D)`` as the model takes them, of an array ``(T', D)``."""
        value = torch.from_numpy(np.array(array, np.float32))
        if value.dim() != 2 or not len(value):
            raise DataError(f'{name}: features are numbers of shape (T, D), got {tuple(value.shape)} for {modality}')
        value = value[:self.model.num_steps]
        value = torch.nn.functional.pad(value, (0, 0, 0, self.model.num_steps - len(value)))
        return torch.nn.functional.normalize(value, dim=1) if self.feat_norm else value

    def run(self, batch: list[Answer]) -> None:
        """Extract the features of files, then go on with all."""
        for modality, extractor in self.extractors.items():
            waiting = [answer for answer in batch if modality in answer.info.get('units', {})]
            if not waiting:
                continue
            arrays = extract_features(extractor, [answer.info['units'][modality] for answer in waiting], self.device)
            for answer, array in zip(waiting, arrays, strict=True):
                answer.inputs[modality] = self.finished(answer.name, modality, array)
        for answer in batch:
            answer.info.pop('units', None)
        super().run(batch)

    # Answers -------------------------------------------------------------------------------------------------------

    def result(self, answer: Answer, top: int = 5) -> dict[str, Any]:
        """Class names, and the scores of each kind.

        Args:
            answer: A sample with predictions.
            top: Classes to name of each kind.
        """
        return dict(class_answer(answer.sample, self.classes, top), **answer.info)

    def figure(self, answer: Answer) -> Figure:
        """Bars of the best classes."""
        from avmm.visualization.plots import draw_class_scores
        from avmm.visualization.style import new_figure
        figure, ((axis, ), ) = new_figure(1, 1, size=(3.6, 3.0))
        draw_class_scores(axis, answer.sample.scores_by_name, self.classes,
                          title=f'joint: {answer.result["label"]}')
        return figure


@INFERENCERS.register_module()
class UAVMRetrievalInferencer(UAVMInferencer):
    """Clips of a gallery whose frames belong to a sound, or whose sound belongs to frames.

    A clip is what a layer makes of one modality, averaged over time; clips of the gallery are ranked by the cosine of
    the angle to the query (UAVM, Gong et al., 2022, section III-D).

    Each answer::

        {'file': 'bark.wav', 'query': 'audio', 'gallery': 'visual',
         'found': [{'file': 'dog.mp4', 'index': 7, 'rank': 1, 'similarity': 0.81}, ...]}

    Args:
        config: A config, its file, or the name of a model.
        checkpoint: Weights.
        device: Where the model and the extractors run.
        gallery: Clips to search, as for calling; or a feature store (``.h5``) of them. :meth:`add` adds more.
        layer: Number of the layer; that of the last block by default, one more is the logits.
        feat_norm: Whether features are divided by their length; the published analysis leaves that out.
        **kwargs: ``extractors``, ``workers``, ``seed`` and ``trust`` of :class:`UAVMInferencer`.

    Example:
        >>> inferencer = UAVMRetrievalInferencer(  # doctest: +SKIP
        ...     'uavm_1xb144-10e_vggsound', 'uavm.pth', gallery='data/vggsound/test.h5')
        >>> inferencer(dict(audio=features), top=3)[0]['found'][0]['file']  # doctest: +SKIP
        'dog'
    """

    task = 'Audio-visual retrieval'

    def __init__(self, config, checkpoint=None, device=None, *, gallery: Item | Iterable[Item] = (),
                 layer: int | None = None, feat_norm: bool | None = False, **kwargs):
        super().__init__(config, checkpoint, device, feat_norm=feat_norm, **kwargs)
        self.layer = self.model.depth if layer is None else layer
        self.model.chosen_layers([self.layer])
        self._names: dict[str, list[str]] = {m: [] for m in MODALITIES}
        self._rows: dict[str, list[np.ndarray]] = {m: [] for m in MODALITIES}
        self.add(gallery)

    def add(self, clips: Item | Iterable[Item], batch_size: int = BATCH_SIZE) -> None:
        """Put clips into the gallery, under each modality that they have.

        Raises:
            DataError: If one cannot be used.
        """
        if isinstance(clips, (str, os.PathLike)) and os.fspath(clips).endswith('.h5'):
            store = FeatureStore(clips)
            names = [m for m in MODALITIES if m in store]
            clips = ({'sample_id': key, **{m: store[m][i] for m in names}} for i, key in enumerate(store.keys))
        for answer in self.answers(clips, batch_size, top=0):
            for m, row in answer.sample.embedding.items():
                self._names[m].append(answer.name)
                self._rows[m].append(row.float().cpu().numpy())

    def __len__(self) -> int:
        """Clips of the gallery."""
        return max(map(len, self._rows.values()))

    def predict(self, batch: list[Answer]) -> list[AVDataSample]:
        """Samples with ``embedding``, ``{modality: (D,)}``."""
        inputs = {m: torch.stack([a.inputs[m] for a in batch]).to(self.device) for m in batch[0].inputs}
        with torch.inference_mode():
            feats = self.model.layer_feats(inputs, [self.layer])
        for i, answer in enumerate(batch):
            found = {m: layers[self.layer][i] for m, layers in feats.items()}
            answer.sample.set_field({m: x.mean(0) if x.dim() == 2 else x for m, x in found.items()}, 'embedding',
                                    field_type='data')
        return [answer.sample for answer in batch]

    def result(self, answer: Answer, top: int = 5, query: str | None = None) -> dict[str, Any]:
        """The nearest clips by the other modality.

        Args:
            answer: A sample with its embedding.
            top: Clips to name.
            query: Modality that asks, of a clip with both; audio by default.
        """
        has = answer.sample.embedding
        query = query or next(m for m in MODALITIES if m in has)
        if query not in has:
            raise ConfigError(f'query={query!r}: {answer.name} has {" and ".join(has)}')
        other = next(m for m in MODALITIES if m != query)
        if not top:
            return dict(query=query, gallery=other, found=[])
        if not self._rows[other]:
            raise ConfigError(f'the gallery has no clips with {other} features; give gallery=..., or add(...) some')
        asked = has[query].float().cpu().numpy()[None]
        similarity = cosine_similarity(asked, np.stack(self._rows[other]))[0]
        best = np.argsort(-similarity, kind='stable')[:top]
        return dict(query=query, gallery=other, found=[
            dict(file=self._names[other][i], index=int(i), rank=rank, similarity=float(similarity[i]))
            for rank, i in enumerate(best, 1)])

    def figure(self, answer: Answer) -> Figure:
        """Bars of the similarities of what was found."""
        from avmm.visualization.style import new_figure, tidy
        figure, ((axis, ), ) = new_figure(1, 1, size=(3.6, 3.0))
        found = answer.result['found'][::-1]
        axis.barh([Path(clip['file']).stem for clip in found], [clip['similarity'] for clip in found])
        axis.set_title(f'{answer.result["gallery"]} clips for {Path(answer.name).stem}', fontsize=9)
        tidy(axis)
        return figure
