"""Base of the models that recognise classes by their word vectors."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from avmm.models.base import AVModel, Feats
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from avmm.utils.batch_norm import frozen_statistics

#: What a class is compared with: the embedding of one modality, or that of both.
MODES = ('audio', 'visual', 'both')


class GZSLModel(AVModel):
    """Projects clips and classes into one space, where the nearest class is the answer.

    The classes are not parameters: :meth:`set_classes` hands over the word vectors of those that count, in training
    those of the training split, in evaluation all that the split may hold. Predictions carry the distances of a clip
    to every class, ``gzsl_distances`` = ``{mode: (C,)}`` with the modes of :meth:`embed`; calibration, which turns
    distances into labels, is the affair of the metric.

    A subclass implements :meth:`branch`, :meth:`extract_feat`, :meth:`embed_feats`, :meth:`embed_classes`,
    :meth:`unimodal_logits` and :meth:`loss`.

    Args:
        extra_bn_pass: Follow every update by a forward pass of the batch in training mode, without gradients, as the
            published program does after each step. It moves the running statistics of batch normalisation a second
            time, with the new weights, and draws dropout. After an update of two passes (SAM) the statistics stay as
            they are, as the published program leaves them frozen until the next step.
        data_preprocessor: Config; :class:`AVDataPreprocessor` by default.
        init_cfg: Initialisation of mmengine.
    """

    def __init__(self, extra_bn_pass: bool = False, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(('audio', 'visual'), data_preprocessor or dict(type='AVDataPreprocessor'), init_cfg)
        self.extra_bn_pass = extra_bn_pass
        # No buffers: averaged copies of a model (EMA) follow the buffers of the original, whose shapes change here.
        self.class_words: Tensor | None = None
        self.class_ids: Tensor | None = None
        self._row_of: dict[int, int] = {}
        self._batch: dict[str, Tensor] | None = None

    def set_classes(self, words: Tensor | Sequence, class_ids: Tensor | Sequence[int]) -> None:
        """Say which classes there are. Nothing of it goes into a checkpoint.

        Args:
            words: Word vectors, a row a class, ``(C, 300)``.
            class_ids: The classes of the rows, as labels name them, ``(C,)``.

        Raises:
            ConfigError: If the numbers of rows differ, or a class comes twice.
        """
        like = next(self.parameters())
        self.class_words = torch.as_tensor(words, dtype=like.dtype, device=like.device)
        self.class_ids = torch.as_tensor(class_ids, dtype=torch.int64, device=like.device)
        ids = self.class_ids.tolist()
        self._row_of = {label: row for row, label in enumerate(ids)}
        if not len(self.class_words) == len(ids) == len(self._row_of):
            raise ConfigError(f'set_classes: {len(self.class_words)} word vectors for {len(ids)} classes, '
                              f'{len(self._row_of)} of them different; give one vector for each class')

    @property
    def words_of_classes(self) -> Tensor:
        """Word vectors ``(C, 300)`` of the classes.

        Raises:
            ConfigError: If :meth:`set_classes` has not been called.
        """
        if self.class_words is None:
            raise ConfigError(f'{type(self).__name__} has no classes yet; call set_classes(words, class_ids) with '
                              'those of the data set')
        return self.class_words.to(next(self.parameters()))

    def class_rows(self, data_samples: Sequence[AVDataSample]) -> Tensor:
        """Rows ``(B,)`` of the samples' labels among the classes.

        Raises:
            DataError: If a sample has another class.
        """
        words = self.words_of_classes
        try:
            rows = [self._row_of[int(sample.gt_label)] for sample in data_samples]
        except KeyError as error:
            sample = next(s for s in data_samples if int(s.gt_label) == error.args[0])
            raise DataError(f'sample {sample.get("sample_id", "?")} is of class {error.args[0]}, which is not among '
                            f'the {len(words)} classes of the model; give set_classes those of its split') from None
        return torch.tensor(rows, device=words.device)

    @abstractmethod
    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """Embeddings of clips ``{mode: (B, z)}`` from :meth:`extract_feat`."""

    @abstractmethod
    def embed_classes(self, words: Tensor) -> dict[str, Tensor]:
        """Embeddings of classes ``{mode: (C, z)}`` from their word vectors ``(C, 300)``."""

    @abstractmethod
    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The loss terms; ends with :meth:`finish_step`."""

    def embed(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Embeddings of clips ``{mode: (B, z)}``."""
        return self.embed_feats(self.extract_feat(inputs))

    def negatives(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The clips of other classes in a batch.

        Raises:
            DataError: If it has none.
        """
        if 'negative' not in inputs:
            raise DataError(f"{type(self).__name__} compares each clip with one of another class: inputs['negative'] "
                            'is missing; use negatives=True of the data set')
        return inputs['negative']

    def distances(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """L2 distances of clips to classes, ``{mode: (B, C)}``.

        Where there is no embedding of both modalities, ``'both'`` is the sum of their distances.
        """
        found = class_distances(self.embed(inputs), self.embed_classes(self.words_of_classes))
        return found if 'both' in found else dict(found, both=sum(found.values()))

    def class_scores(self, embedded: Tensor, mode: str = 'both') -> Tensor:
        """Scores ``(B, C)`` of the classes, the nearest one highest: the negative distances."""
        return -torch.cdist(embedded, self.embed_classes(self.words_of_classes)[mode])

    def fuse(self, feats: Feats) -> Tensor:
        """Class scores ``(B, C)`` of the embedding of both modalities; where there is none, the sum of theirs."""
        embedded = self.embed_feats(feats)
        if 'both' in embedded:
            return self.class_scores(embedded['both'])
        return sum(self.class_scores(values) for values in embedded.values())

    def forward(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample] | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | list[AVDataSample] | Tensor:
        """Losses, samples with ``gzsl_distances``, or with ``'tensor'`` the embedding of both modalities ``(B, z)``.

        Where there is no such embedding, those of the modalities stand side by side, ``(B, 2 z)``.

        Raises:
            ValueError: If ``mode`` is another one.
        """
        if mode == 'loss':
            # Kept for the pass after the update only.
            self._batch = inputs if self.extra_bn_pass else None
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            embedded = self.embed(inputs)
            return embedded['both'] if 'both' in embedded else torch.cat(list(embedded.values()), -1)
        raise ValueError(f"mode={mode!r} is unknown; use 'loss', 'predict' or 'tensor'")

    def predict(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> list[AVDataSample]:
        """Give every sample ``gzsl_distances``, ``{mode: (C,)}``."""
        found = {mode: values.float() for mode, values in self.distances(inputs).items()}
        for i, sample in enumerate(data_samples):
            sample.set_field({mode: values[i] for mode, values in found.items()}, 'gzsl_distances', field_type='data')
        return data_samples

    def _update(self, data: dict, optim_wrapper) -> dict[str, Tensor]:
        log_vars = super()._update(data, optim_wrapper)
        if self.extra_bn_pass:
            batch, self._batch = self._batch, None
            frozen = getattr(optim_wrapper, 'needs_second_pass', False)
            kept = frozen_statistics(self) if frozen else nullcontext()
            with torch.no_grad(), optim_wrapper.optim_context(self), kept:
                self.extra_pass(batch)
        return log_vars

    def extra_pass(self, inputs: dict[str, Tensor]) -> None:
        """Embed the clips and their words in training mode, for the running statistics alone."""
        self.embed(inputs)
        self.embed_classes(inputs['word'])


def class_distances(embedded: dict[str, Tensor], classes: dict[str, Tensor]) -> dict[str, Tensor]:
    """L2 distances ``{mode: (B, C)}`` of embeddings ``{mode: (B, z)}`` to classes ``{mode: (C, z)}``."""
    return {mode: torch.cdist(values, classes[mode]) for mode, values in embedded.items()}
