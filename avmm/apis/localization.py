"""When something is seen and heard in a video: answers of event localisers."""
from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from avmm.apis.clips import describe
from avmm.apis.features import build_extractors, extract_features, given_features
from avmm.apis.inferencer import Answer, AVInferencer, Item, class_name, ranked
from avmm.extraction import Media
from avmm.media import VideoFrames
from avmm.models.localizers.event_localizer import EventLocalizer
from avmm.registry import INFERENCERS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@INFERENCERS.register_module()
class AVEventLocalizationInferencer(AVInferencer):
    """Events of videos and their times, by a localiser that a config and a checkpoint give.

    A video that is longer than those that the model was trained on is cut into windows of their length. A last one
    that would reach beyond the end begins earlier instead, and what it says about seconds that came before is left
    out. If the video is shorter, its last frame and silence fill the window, and the answer ends with the video.

    Features of a window come from extractors. Instead of a video, features will do: a dictionary
    ``{'audio': (S, D_a), 'visual': (S, ...)}``, or an ``.npz`` file of them.

    Each answer::

        {'file': 'a.mp4', 'label': 'Church bell', 'index': 0, 'score': 0.9, 'seconds': 10.0,
         'events': [{'start': 2.0, 'end': 6.0, 'label': 'Church bell', 'index': 0, 'score': 0.8}],
         'segments': {'joint': [{'start': 0.0, 'end': 1.0, 'label': 'background', 'index': 28, 'score': 0.7}, ...],
                      'audio': [{'start': 0.0, 'end': 1.0, 'label': ..., 'index': ...}, ...], 'visual': [...]},
         'top': {...}, 'scores': {...} of the whole video, 'attention': {name: lists}, 'picture': 'a.png'}

    Args:
        config: A config, its file, or the name of a model.
        checkpoint: Weights.
        device: Where the model and the extractors run.
        extractors: ``{modality: config of a FeatureExtractor}``, or the file of a config with such ``extractors``;
            those of the model's config by default.
        attention: Whether answers carry the attention maps of the model.
        segments: Segments of a window.
        segment_seconds: Length of a segment (s).
        **kwargs: ``classes``, ``workers``, ``seed`` and ``trust`` of :class:`AVInferencer`.

    Example:
        >>> inferencer = AVEventLocalizationInferencer(  # doctest: +SKIP
        ...     'cmran_supv_1xb32-200e_ave', 'cmran.pth',
        ...     extractors='configs/feature_extraction/ave_vgg19_vggish.py')
        >>> inferencer(['church.mp4'])[0]['events']  # doctest: +SKIP
        [{'start': 2.0, 'end': 6.0, 'label': 'Church bell', 'index': 0, 'score': 0.83}]
    """

    task = 'Audio-visual event localization'
    models = EventLocalizer

    def __init__(self, config, checkpoint=None, device=None, *,
                 extractors: Mapping[str, dict] | str | os.PathLike | None = None, attention: bool = False,
                 segments: int = 10, segment_seconds: float = 1.0, **kwargs):
        if segments < 1 or segment_seconds <= 0:
            raise ConfigError(f'segments and segment_seconds must be above 0, got {segments} and {segment_seconds}')
        super().__init__(config, checkpoint, device, **kwargs)
        if self.data_config().get('setting') == 'matching':
            raise ConfigError(f'{type(self.model).__name__} looks in one modality for an event that is known in the '
                              'other, which a video alone does not tell; the tools of its project run it on AVE')
        self.segments, self.segment_seconds = segments, segment_seconds
        self.model.with_attention = attention
        self.extractors = build_extractors(self.cfg.get('extractors') if extractors is None else extractors,
                                           self.model.modalities, self.device)

    # Inputs --------------------------------------------------------------------------------------------------------

    def prepare(self, item: Item) -> Answer:
        """Load the units of every window of a video, or take features as they are."""
        features = given_features(item, self.model.modalities)
        if features is not None:
            return self._from_features(*features)
        name, results = describe(item)
        if 'video_path' not in results:
            raise DataError(f'{name}: an event localiser needs a video with sound')
        streams = results['streams']
        if not (streams.visual and streams.audio):
            lacks = 'no pictures' if streams.audio else 'no sound track'
            raise DataError(f'{name}: the file has {lacks}, and an event localiser needs both')
        if not self.extractors:
            raise ConfigError('a video needs extractors of features: give extractors=... with the file of a config '
                              'that has them, or features in the place of videos')
        count = self._count(streams.seconds)
        window = self.segments * self.segment_seconds
        units: dict[str, list[Tensor]] = {m: [] for m in self.extractors}
        for start in self._starts(count):
            # A file of just one window is taken as it is, like those that the model was trained on.
            part = () if count == self.segments else (start * self.segment_seconds, window)
            media = Media(results['video_path'], *part)
            for modality, extractor in self.extractors.items():
                units[modality].append(extractor.load(media))
        info = dict(units=units, count=count, path=results['video_path'])
        return Answer(name, {}, AVDataSample(metainfo=dict(sample_id=results['sample_id'])), info)

    def _count(self, seconds: float | None) -> int:
        """Segments to tell about: what is left of a last one counts from a tenth of it on."""
        if seconds is None:
            return self.segments
        return max(1, math.ceil(seconds / self.segment_seconds - 0.1))

    def _starts(self, count: int) -> list[int]:
        """First segments of the windows that cover ``count`` segments."""
        last = max(0, count - self.segments)
        return [*range(0, last, self.segments), last]

    def _from_features(self, name: str, features: dict[str, np.ndarray]) -> Answer:
        lacking = [m for m in self.model.modalities if m not in features]
        if lacking:
            raise DataError(f'{name}: the features of {" and ".join(lacking)} are missing')
        inputs = {m: torch.as_tensor(np.asarray(value))[None] for m, value in features.items()}
        lengths = {m: value.shape[1] for m, value in inputs.items()}
        if len(set(lengths.values())) != 1:
            raise DataError(f'{name}: the modalities have unequal numbers of segments ({lengths})')
        sample = AVDataSample(metainfo=dict(sample_id=Path(name).stem))
        return Answer(name, inputs, sample, dict(count=next(iter(lengths.values()))))

    # Running -------------------------------------------------------------------------------------------------------

    def run(self, batch: list[Answer]) -> None:
        """Extract the features of the windows, then predict."""
        for modality, extractor in self.extractors.items():
            waiting = [a for a in batch if 'units' in a.info]
            arrays = iter(extract_features(extractor, [u for a in waiting for u in a.info['units'][modality]],
                                           self.device))
            for answer in waiting:
                rows = [next(arrays) for _ in answer.info['units'][modality]]
                answer.inputs[modality] = torch.from_numpy(np.stack(rows))
        for answer in batch:
            answer.info.pop('units', None)
        super().run(batch)

    def predict(self, batch: list[Answer]) -> list[AVDataSample]:
        """Predict all windows of the batch at once, and put those of a video together."""
        windows = [len(next(iter(a.inputs.values()))) for a in batch]
        inputs = {m: torch.cat([a.inputs[m] for a in batch]) for m in batch[0].inputs}
        samples = [AVDataSample(metainfo=dict(sample_id=a.name)) for a, n in zip(batch, windows, strict=True)
                   for _ in range(n)]
        with torch.inference_mode():
            samples = self.model.test_step(dict(inputs=inputs, data_samples=samples))
        parts, joined = iter(samples), []
        for answer, count in zip(batch, windows, strict=True):
            joined.append(self._join([next(parts) for _ in range(count)], answer))
        return joined

    def _join(self, parts: list[AVDataSample], answer: Answer) -> AVDataSample:
        """One sample of those of the windows; a segment that lies in two windows is that of the first."""
        count, size = answer.info['count'], len(parts[0].pred_segments)

        def along(values: list[Tensor]) -> Tensor:
            overlap = max(0, size * len(values) - count) if len(values) > 1 else 0
            return torch.cat([v.cpu() for v in [*values[:-1], values[-1][overlap:]]])[:count]

        def each(name: str) -> dict[str, list[Tensor]]:
            found = [p.get(name) or {} for p in parts]
            return {key: [f[key] for f in found] for key in found[0]}

        sample = AVDataSample(metainfo=dict(sample_id=answer.sample.sample_id))
        sample.set_pred_score(torch.stack([p.pred_score for p in parts]).mean(0).cpu())
        scores = [p.get('pred_segment_scores') for p in parts]
        sample.set_pred_segments(along([p.pred_segments for p in parts]), None if scores[0] is None else along(scores))
        sample.set_unimodal_scores({m: torch.stack(v).mean(0).cpu() for m, v in each('unimodal_scores').items()})
        sample.set_unimodal_segments({m: along(v) for m, v in each('unimodal_segments').items()})
        maps = each('attention')
        if maps:
            sample.set_attention({name: along(v) for name, v in maps.items()})
        return sample

    # Answers -------------------------------------------------------------------------------------------------------

    def result(self, answer: Answer, top: int = 5) -> dict[str, Any]:
        """Events, segments and the classes of the whole video.

        Args:
            answer: A sample with predictions.
            top: Classes of the video to name of each kind.
        """
        sample = answer.sample
        scores = sample.scores_by_name
        best = int(sample.pred_label)
        tracks = {'joint': sample.pred_segments, **sample.unimodal_segments}
        segments = {kind: self._segments(labels, sample.get('pred_segment_scores') if kind == 'joint' else None)
                    for kind, labels in tracks.items()}
        found = dict(label=class_name(self.classes, best), index=best, score=float(sample.pred_score[best]),
                     seconds=len(sample.pred_segments) * self.segment_seconds,
                     events=events_of(segments['joint'], len(self.classes) - 1), segments=segments,
                     top={kind: ranked(values, self.classes, top) for kind, values in scores.items()},
                     scores={kind: values.float().tolist() for kind, values in scores.items()})
        if 'attention' in sample:
            found['attention'] = {name: maps.float().tolist() for name, maps in sample.attention.items()}
        return found

    def _segments(self, labels: Tensor, scores: Tensor | None) -> list[dict[str, Any]]:
        rows = []
        for i, label in enumerate(labels.tolist()):
            row = dict(start=round(i * self.segment_seconds, 6), end=round((i + 1) * self.segment_seconds, 6),
                       label=class_name(self.classes, label), index=label)
            rows.append(row if scores is None else dict(row, score=float(scores[i, label])))
        return rows

    def figure(self, answer: Answer) -> Figure:
        """The time line, under a frame of each segment, or where the model looks in it."""
        from avmm.visualization.timeline import sample_timeline
        pictures, shown = self._pictures(answer)
        return sample_timeline(answer.sample, self.classes, pictures, shown, self.segment_seconds)

    def _pictures(self, answer: Answer) -> tuple[np.ndarray | None, str]:
        from avmm.visualization.attention_overlay import colour_maps, overlay, resize_frames, resize_maps, stretch_maps
        maps = (answer.sample.get('attention') or {}).get('spatial')
        if 'path' not in answer.info:
            return (None, '') if maps is None else (
                colour_maps(resize_maps(stretch_maps(maps.float().numpy()), (112, 112))), 'attention')
        video = VideoFrames(answer.info['path'])
        times = video.times[0] + (np.arange(len(answer.sample.pred_segments)) + 0.5) * self.segment_seconds
        frames = resize_frames(video.at(times), (112, 112))
        return (frames, 'frames') if maps is None else (overlay(frames, maps.float().numpy()), 'attention')


def events_of(segments: list[dict[str, Any]], background: int) -> list[dict[str, Any]]:
    """Runs of segments of one class other than the background, with the mean of their scores."""
    events: list[dict[str, Any]] = []
    scores: list[list[float]] = []
    for row in segments:
        if row['index'] == background:
            continue
        if events and events[-1]['index'] == row['index'] and events[-1]['end'] == row['start']:
            events[-1]['end'] = row['end']
        else:
            events.append({key: row[key] for key in ('start', 'end', 'label', 'index')})
            scores.append([])
        scores[-1].append(row.get('score', float('nan')))
    for event, values in zip(events, scores, strict=True):
        if not math.isnan(values[0]):
            event['score'] = sum(values) / len(values)
    return events
