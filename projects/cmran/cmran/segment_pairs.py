"""Single segments of videos, sound and picture of the same second together."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from avmm.datasets.collate import av_collate
from avmm.registry import DATASETS
from avmm.structures import AVDataSample
from avmm.utils import DataError


@DATASETS.register_module()
class SegmentPairs(Dataset):
    """Every segment of the videos of a data set as a sample of its own, for cross-modality matching.

    Sample k is segment ``k % S`` of video ``k // S``, a video of one segment: ``audio`` ``(1, D_a)``, ``visual``
    ``(1, D_v)`` and ``gt_mask`` ``(1,)``. A batch reads each of its videos once. The training split of AVE for
    matching gives 33390 pairs of 3339 videos.

    Args:
        dataset: Config of a data set of segments with ``gt_mask``, such as ``AVEDataset`` in its matching setting, or
            the data set.

    Raises:
        DataError: If the samples of the data set have no ``gt_mask``.
    """

    def __init__(self, dataset: dict | Dataset):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self._segments: int | None = None

    @property
    def metainfo(self) -> dict:
        """That of the data set."""
        return self.dataset.metainfo

    @property
    def num_segments(self) -> int:
        """S, that of the first video."""
        if self._segments is None:
            sample = self.dataset[0]['data_samples']
            if 'gt_mask' not in sample:
                raise DataError(f'SegmentPairs: samples of {type(self.dataset).__name__} have no gt_mask; give it a '
                                "data set of the setting 'matching'")
            self._segments = len(sample.gt_mask)
        return self._segments

    def __len__(self) -> int:
        return len(self.dataset) * self.num_segments

    def __getitem__(self, index: int) -> dict:
        batch = self.__getitems__([index])
        return {'inputs': {m: value[0] for m, value in batch['inputs'].items()},
                'data_samples': batch['data_samples'][0]}

    def __getitems__(self, indices: Sequence[int]) -> dict:
        """A finished batch of pairs: ``{'inputs': {m: (B, 1, D_m)}, 'data_samples': [...]}``."""
        videos, segments = np.divmod(np.asarray(indices, dtype=np.int64), self.num_segments)
        needed, place = np.unique(videos, return_inverse=True)
        batch = self._fetch(needed.tolist())
        known = batch['data_samples']
        samples = []
        for p, t in zip(place.tolist(), segments.tolist(), strict=True):
            meta = dict(known[p].metainfo, sample_id=f'{known[p].get("sample_id", needed[p])}@{t}', segment=t)
            samples.append(AVDataSample(metainfo=meta).set_gt_mask(known[p].gt_mask[t:t + 1]))
        return {'inputs': {m: value[place, segments][:, None] for m, value in batch['inputs'].items()},
                'data_samples': samples}

    def _fetch(self, videos: list[int]) -> dict:
        fetch = getattr(self.dataset, '__getitems__', None)
        return av_collate(fetch(videos) if fetch else [self.dataset[v] for v in videos])
