"""How often the event of one modality is found in the other."""
from __future__ import annotations

from collections.abc import Sequence

from avmm.evaluation.functional import DIRECTIONS, localize_by_distance, localize_by_logits
from avmm.evaluation.metrics.table import Table, TableMetric
from avmm.registry import METRICS
from avmm.utils import ConfigError


@METRICS.register_module()
class CrossModalLocalization(TableMetric):
    """Share of videos, in per cent, in which the exact place of the event was found in the other modality.

    ``localization/a2v``: the segments of the event are given in the audio, and are looked for in the visual stream;
    ``localization/v2a``: the reverse. A video whose predictions have ``pred_distance`` ``(S, S)``, visual by audio
    segments, is searched in both directions for the window with the smallest sum of distances
    (:func:`~avmm.evaluation.functional.localize_by_distance`); with ``pred_event_logits`` ``(S,)``, of the searched
    modality, in the one direction that the model was made for, for the window with the largest sum
    (:func:`~avmm.evaluation.functional.localize_by_logits`). The event is ``gt_mask`` ``(S,)``; videos without one do
    not count.

    Args:
        directions: Which to report; models with ``pred_event_logits`` name the one that they were made for.
        source: ``'distance'`` or ``'event_logits'``, what the model predicts.
        skip_full: Leave out videos of which every segment belongs to the event. None does so for distances (ECCV
            2018), not for logits (IEEE TMM 2022), as published; the test split of AVE has no such video.
        seconds: Also report ``<direction>_covered``, the share of the seconds of events that lie in the windows found.
        **kwargs: Arguments of mmengine's ``BaseMetric``.

    Raises:
        ConfigError: If a direction or the source is another one, or logits are to serve both directions.
    """

    default_prefix = 'localization'

    def __init__(self, directions: str | Sequence[str] = DIRECTIONS, source: str = 'distance',
                 skip_full: bool | None = None, seconds: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.directions = (directions, ) if isinstance(directions, str) else tuple(directions)
        if not self.directions or set(self.directions) - set(DIRECTIONS):
            raise ConfigError(f'CrossModalLocalization.directions must be of {", ".join(DIRECTIONS)}, '
                              f'got {directions!r}')
        if source not in ('distance', 'event_logits'):
            raise ConfigError(f"CrossModalLocalization.source must be 'distance' or 'event_logits', got {source!r}")
        if source == 'event_logits' and len(self.directions) > 1:
            raise ConfigError('CrossModalLocalization: event logits are made for one direction; '
                              "set directions='a2v' or directions='v2a'")
        self.source = source
        self.skip_full = source == 'distance' if skip_full is None else skip_full
        self.seconds = seconds

    def collect(self, samples: list[dict]) -> Table:
        """The predictions and the mask of the event."""
        name = f'pred_{self.source}'
        return Table(len(samples), {
            'pred': self.stacked(samples, name, 'it takes a cross-modal matching model'),
            'mask': self.stacked(samples, 'gt_mask', 'evaluate on a data set that marks the event')})

    def measure_table(self, table: Table) -> dict[str, float]:
        """``{'a2v': per cent, 'v2a': per cent}``."""
        pred, mask = table.columns['pred'], table.columns['mask']
        values = {}
        for direction in self.directions:
            answers = (localize_by_distance(pred, mask, direction) if self.source == 'distance' else
                       localize_by_logits(pred, mask))
            values[direction] = answers.accuracy(self.skip_full, percent=True)
            if self.seconds:
                counted = answers.select(answers.evaluated(self.skip_full))
                values[f'{direction}_covered'] = 100 * float(counted.covered.sum() / counted.length.sum())
        return values
