"""From a batch of the loader to the inputs of a model."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from avmm.registry import MODELS
from avmm.utils import ConfigError


@MODELS.register_module()
class AVDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, make it float, normalise it and augment it there.

    uint8 input becomes float in 0..1; mean and std refer to that scale. Float input is normalised as it is. Tensors of
    equal shape that come as a list are stacked; those of unequal shapes stay a list. A dictionary of inputs, such as
    the clips that others are contrasted with, is treated as the inputs are.

    Args:
        normalize: ``{modality: dict(mean=..., std=...)}``, each a number, or a list with one number a channel.
        batch_augments: Configs of steps such as ``BatchMixup``, applied in training only.
        eval_augments: Configs of steps such as ``BatchNoise``, applied in evaluation only.
        non_blocking: Whether copies from pinned memory overlap with computation.

    Example:
        >>> preprocess = AVDataPreprocessor(normalize=dict(visual=dict(mean=[0.485, 0.456, 0.406],
        ...                                                            std=[0.229, 0.224, 0.225])))
        >>> batch = dict(inputs=dict(visual=torch.zeros(2, 3, 1, 4, 4, dtype=torch.uint8)), data_samples=[])
        >>> preprocess(batch)['inputs']['visual'].dtype
        torch.float32
    """

    def __init__(self, normalize: dict[str, dict] | None = None, batch_augments: Sequence[dict] = (),
                 eval_augments: Sequence[dict] = (), non_blocking: bool = True):
        super().__init__(non_blocking=non_blocking)
        self.normalized = tuple(normalize or ())
        for name, values in (normalize or {}).items():
            mean, std = (torch.tensor(values.get(key, default), dtype=torch.float32).flatten()
                         for key, default in (('mean', 0.0), ('std', 1.0)))
            if set(values) - {'mean', 'std'} or (std <= 0).any():
                raise ConfigError(f'normalize.{name} takes mean and std, std above 0; got {dict(values)}')
            # x -> x * scale + shift: one pass, whether x is float or uint8.
            self.register_buffer(f'{name}_scale', 1 / std, persistent=False)
            self.register_buffer(f'{name}_shift', -mean / std, persistent=False)
        self.batch_augments = [MODELS.build(cfg) for cfg in batch_augments]
        self.eval_augments = [MODELS.build(cfg) for cfg in eval_augments]

    def forward(self, data: dict, training: bool = False) -> dict:
        """Return ``{'inputs': {modality: (B, ...)}, 'data_samples': [...]}`` on the device.

        Data samples stay where they are: labels are plain numbers.
        """
        inputs = {name: self._ready(name, value) for name, value in data['inputs'].items() if name != 'present'}
        if 'present' in data['inputs']:
            inputs['present'] = self.cast_data(data['inputs']['present'])
        samples = data.get('data_samples')
        for augment in self.batch_augments if training else self.eval_augments:
            inputs, samples = augment(inputs, samples)
        return {'inputs': inputs, 'data_samples': samples}

    def _ready(self, name: str, value: Tensor | Sequence[Tensor] | dict) -> Tensor | list[Tensor] | dict:
        if isinstance(value, dict):
            return {inner: self._ready(inner, part) for inner, part in value.items()}
        if not torch.is_tensor(value):
            if len({(v.shape, v.dtype) for v in value}) != 1:
                return [self._ready(name, v[None])[0] for v in value]
            value = torch.stack(list(value))
        value = value.to(self.device, non_blocking=self._non_blocking)
        divisor = 255.0 if value.dtype == torch.uint8 else 1.0
        if name not in self.normalized:
            return value.float().div_(divisor) if divisor != 1 else value
        scale, shift = (getattr(self, f'{name}_{part}') for part in ('scale', 'shift'))
        if len(scale) not in (1, value.shape[1]) or len(shift) not in (1, value.shape[1]):
            raise ConfigError(f'normalize.{name} has {max(len(scale), len(shift))} numbers, '
                              f'the input has {value.shape[1]} channels')
        axes = (1, -1, *(1, ) * (value.dim() - 2))
        return torch.addcmul(shift.reshape(axes), value.float(), scale.reshape(axes) / divisor)
