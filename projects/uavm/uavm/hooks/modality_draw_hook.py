"""One modality for each batch."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.hooks import Hook

from avmm.registry import HOOKS
from avmm.utils import ConfigError

# Last word of the entropy: orders and augmentations come from other streams.
_MODALITY_STREAM = 5


@HOOKS.register_module()
class ModalityDrawHook(Hook):
    """Trains each batch on audio or on video alone, as UAVM does (Gong et al., 2022, section II).

    The draw follows from the seed of the run and the number of the iteration: it is the same on all ranks, and after a
    resume. The other modality leaves the batch before it is moved to the device.

    Args:
        prob: Probability of audio.
        draws: Numbers in [0, 1) to use instead, one an iteration: below ``prob`` means audio.

    Raises:
        ConfigError: If ``prob`` is no probability.
    """

    def __init__(self, prob: float = 0.5, draws: Sequence[float] | None = None):
        if not 0 <= prob <= 1:
            raise ConfigError(f'ModalityDrawHook.prob must lie in 0 to 1, got {prob}')
        self.prob, self.draws = prob, draws

    def modality(self, seed: int, iteration: int) -> str:
        """``'audio'`` or ``'visual'``."""
        if self.draws is not None:
            draw = self.draws[iteration]
        else:
            draw = np.random.default_rng((seed, iteration, _MODALITY_STREAM)).random()
        return 'audio' if draw < self.prob else 'visual'

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Leave one modality in the batch."""
        kept = self.modality(runner.seed, runner.iter)
        inputs = data_batch['inputs']
        if kept not in inputs:
            raise ConfigError(f'ModalityDrawHook has drawn {kept}, the batch has {", ".join(inputs)}; load both '
                              'modalities')
        data_batch['inputs'] = {kept: inputs[kept]}
