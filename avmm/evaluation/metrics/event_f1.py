"""F1 of events and of segments."""
from __future__ import annotations

from avmm.evaluation.functional import AVERAGES, event_f1, segment_f1
from avmm.evaluation.metrics.base import Predictions, SegmentMetric
from avmm.registry import METRICS
from avmm.utils import ConfigError


@METRICS.register_module()
class EventF1(SegmentMetric):
    """F1 of events and of segments in per cent, as in audio-visual video parsing, joint and of each modality alone.

    ``event_f1/<name>``: consecutive segments of a class are one event, and a predicted event is right if its
    intersection over union with a true one of the class is at least ``miou``. ``segment_f1/<name>``: each segment
    counts for itself. Background is no event. Both average over the classes of a video, then over the videos (Unified
    Multisensory Perception: Weakly-Supervised Audio-Visual Video Parsing, ECCV 2020); see
    :func:`~avmm.evaluation.functional.mean_f1`.

    Args:
        miou: Bound of the intersection over union, in (0, 1].
        average: ``'video'`` as published, or ``'class'``, which adds up the counts of all videos first.
        background: Index of the class that is no event; the last one by default.
        **kwargs: Arguments of :class:`SegmentMetric`.

    Raises:
        ConfigError: If the bound or the average is another one.
    """

    # The two values have names of their own; an empty prefix adds none.
    default_prefix = ''

    def __init__(self, miou: float = 0.5, average: str = 'video', background: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 < miou <= 1:
            raise ConfigError(f'EventF1.miou must be in (0, 1], got {miou}')
        if average not in AVERAGES:
            raise ConfigError(f'EventF1.average must be one of {", ".join(AVERAGES)}, got {average!r}')
        self.miou, self.average, self.background = miou, average, background

    def measure(self, predictions: Predictions) -> dict[str, float]:
        """``{'event_f1/joint': per cent, 'segment_f1/joint': per cent, 'event_f1/audio': per cent, ...}``."""
        count = len(self.classes(predictions))
        background = count - 1 if self.background is None else self.background
        if not 0 <= background < count:
            raise ConfigError(f'EventF1.background is {background}, there are {count} classes')
        values = {}
        for name, view in predictions.views().items():
            values[f'event_f1/{name}'] = 100 * event_f1(*view, count, background, self.miou, self.average)
            values[f'segment_f1/{name}'] = 100 * segment_f1(*view, count, background, self.average)
        return values
