"""The end of a pipeline."""
from __future__ import annotations

from collections.abc import Sequence

import torch

from avmm.datasets.transforms.base import AVTransform
from avmm.datasets.transforms.frame_ops import stack_frames
from avmm.registry import TRANSFORMS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError


@TRANSFORMS.register_module()
class PackAVInputs(AVTransform):
    """Put inputs and labels into the form that models take.

    Frames that no step has turned into ``visual`` are stacked as uint8 ``(3, T, H, W)``.

    Required Keys:

    - any of ``keys``; a modality that is absent stays absent
    - gt_label, where the label is known

    Args:
        keys: Modalities to pass on.
        meta_keys: Keys to keep in the meta information of the data sample; those that are absent are left out.
        squeeze_single_frame: Whether a clip of one frame becomes an image ``(3, H, W)``.
    """

    def __init__(self, keys: Sequence[str] = ('audio', 'visual'), meta_keys: Sequence[str] = ('sample_id', ),
                 squeeze_single_frame: bool = False):
        self.keys = tuple(keys)
        self.meta_keys = tuple(meta_keys)
        self.squeeze_single_frame = squeeze_single_frame

    def transform(self, results: dict) -> dict:
        """Return ``{'inputs': {modality: tensor}, 'data_samples': AVDataSample}``."""
        if 'visual' in self.keys and 'visual' not in results and 'frames' in results:
            results['visual'] = stack_frames(results['frames'])
        inputs = {key: results[key] for key in self.keys if key in results}
        for key, value in inputs.items():
            if not torch.is_tensor(value):
                raise ConfigError(f'PackAVInputs: {key} is {type(value).__name__}, not a tensor')
        if self.squeeze_single_frame and 'visual' in inputs and inputs['visual'].shape[1] == 1:
            inputs['visual'] = inputs['visual'][:, 0]
        sample = AVDataSample(metainfo={k: results[k] for k in self.meta_keys if k in results})
        if results.get('gt_label') is not None:
            sample.set_gt_label(results['gt_label'])
        return {'inputs': inputs, 'data_samples': sample}
