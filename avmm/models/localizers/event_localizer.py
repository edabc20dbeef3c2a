"""The base of models that find events in the segments of a video."""
from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from avmm.models.attention import MapSource, recorded_maps
from avmm.models.base import AVModel, Feats
from avmm.models.heads.event_head import EventTargets, Outputs
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError

_DTYPES = {'float32': torch.float32, 'float64': torch.float64}


class EventLocalizer(AVModel):
    """Base of models that say, for each segment of a video, which event is heard and seen in it.

    A subclass gives :meth:`branch`, :meth:`extract_feat`, :meth:`fuse_segments` and :meth:`unimodal_segments`, and
    ends its constructor with :meth:`widen`. What segments are turned into is the affair of the head.

    Features of data sets come as float16, float32 or float64; they are cast to the type of the parameters.

    Args:
        head: Config of an :class:`~avmm.models.heads.event_head.EventHead`.
        modalities: Names of the branches.
        dtype: Type of the parameters: ``'float32'``, None leaves what torch makes, and ``'float64'`` widens them once
            they are initialised, as official programs on AVE do.
        with_attention: Let predictions carry the maps of :meth:`attention_maps`.
        data_preprocessor: Config of the data preprocessor; one that moves the batch to the device by default.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If the type of the parameters is another one.
    """

    def __init__(self, head: dict, modalities=('audio', 'visual'), dtype: str | None = None,
                 with_attention: bool = False, data_preprocessor: dict | None = None, init_cfg: dict | None = None):
        super().__init__(modalities, data_preprocessor, init_cfg)
        if dtype is not None and dtype not in _DTYPES:
            raise ConfigError(f'{type(self).__name__}.dtype is {dtype!r}; it must be one of {", ".join(_DTYPES)}')
        self._dtype = _DTYPES.get(dtype)
        self.with_attention = with_attention
        self.head = MODELS.build(dict(head))

    def widen(self) -> None:
        """Bring the parameters to the ``dtype`` of the constructor; the last call of that of a subclass."""
        if self._dtype is not None:
            self.to(self._dtype)

    @abstractmethod
    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """``{modality: (B, S, D)}`` and whatever else :meth:`fuse_segments` needs."""

    @abstractmethod
    def fuse_segments(self, feats: Feats) -> Tensor:
        """Segments of both modalities together, ``(B, S, D)``: what the head reads."""

    @abstractmethod
    def unimodal_segments(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, S, D)}``, each modality's own stand-in for :meth:`fuse_segments`.

        The head reads each of them like the fused segments, which gives :meth:`unimodal_logits` and the segments that
        each modality finds alone.
        """

    def map_sources(self) -> dict[str, MapSource]:
        """``{name: module}``, the modules that can tell where they look; see :func:`recorded_maps`."""
        return {}

    @torch.no_grad()
    def attention_maps(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``{name: (B, S, ...)}``, where the model looks on inputs as :meth:`forward` takes them.

        Empty for a model without :meth:`map_sources`.
        """
        with recorded_maps(self.map_sources()) as maps:
            self.fuse_segments(self.extract_feat(self.cast(inputs)))
        return maps

    def fuse(self, feats: Feats) -> Tensor:
        """Logits of the classes of each video, ``(B, C)``; see the head."""
        return self.head.joint_logits(self.head(self.fuse_segments(feats), feats))

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}``, what the head makes of :meth:`unimodal_segments`."""
        return {m: self.head.joint_logits(out) for m, out in self.unimodal_outputs(feats).items()}

    def unimodal_outputs(self, feats: Feats) -> dict[str, Outputs]:
        """``{modality: outputs of the head}`` on :meth:`unimodal_segments`."""
        return {m: self.head(segments, feats) for m, segments in self.unimodal_segments(feats).items()}

    def cast(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Inputs of the type of the parameters; other entries than the modalities stay as they are."""
        dtype = next(self.parameters()).dtype
        return {k: v.to(dtype) if k in self.modalities else v for k, v in inputs.items()}

    def forward(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample] | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | list[AVDataSample]:
        """Run the model.

        Args:
            inputs: Features of S segments, ``{'audio': (B, S, D_a), 'visual': (B, S, h, w, D_v)}``.
            data_samples: The samples, needed by ``'loss'`` and ``'predict'``.
            mode: ``'tensor'`` gives :meth:`fuse`, ``'loss'`` a dict of scalar losses, ``'predict'`` the samples with
                their predictions.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'tensor':
            return self.fuse(self.extract_feat(self.cast(inputs)))
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ConfigError(f"mode is {mode!r}; it must be 'tensor', 'loss' or 'predict'")

    def targets(self, data_samples: list[AVDataSample], device: torch.device) -> EventTargets:
        """What the samples know."""
        return EventTargets.from_samples(data_samples, device)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The losses of the head, and what balancing hooks add to them."""
        feats = self.extract_feat(self.cast(inputs))
        outputs = self.head(self.fuse_segments(feats), feats)
        logits = self.head.joint_logits(outputs)
        targets = self.targets(data_samples, logits.device)
        return self.finish_step(feats, logits, self.head.labels(targets), self.head.loss(outputs, targets),
                                data_samples)

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``segment_labels`` ``(B, S)``, ``segment_scores`` ``(B, S, C + 1)``, ``video_scores`` ``(B, C)``."""
        feats = self.extract_feat(self.cast(inputs))
        found = self.head.predict(self.head(self.fuse_segments(feats), feats))
        return dict(segment_labels=found.labels, segment_scores=found.scores, video_scores=found.video)

    def predict(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> list[AVDataSample]:
        """Add ``pred_segments``, ``pred_segment_scores``, ``pred_score`` and what each modality finds alone."""
        with recorded_maps(self.map_sources() if self.with_attention else {}) as maps:
            feats = self.extract_feat(self.cast(inputs))
            joint = self.head.predict(self.head(self.fuse_segments(feats), feats))
        alone = {m: self.head.predict(outputs) for m, outputs in self.unimodal_outputs(feats).items()}
        for i, sample in enumerate(data_samples):
            sample.set_pred_score(joint.video[i])
            sample.set_pred_segments(joint.labels[i], joint.scores[i])
            if alone:
                sample.set_unimodal_scores({m: p.video[i] for m, p in alone.items()})
                sample.set_unimodal_segments({m: p.labels[i] for m, p in alone.items()})
            if maps:
                sample.set_attention({name: values[i] for name, values in maps.items()})
        return data_samples
