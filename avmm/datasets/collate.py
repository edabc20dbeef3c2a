"""From samples to a batch."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import default_collate

from avmm.datasets.shared_stack import can_stack_shared, stack_shared
from avmm.registry import FUNCTIONS


@FUNCTIONS.register_module()
def av_collate(batch: Sequence[dict] | dict) -> dict:
    """Put samples together, modality by modality.

    A data set that reads a whole batch at once (``__getitems__``) returns it finished; it is handed through.

    Tensors of one shape are stacked here, in the worker, so that a batch crosses to the main process in one block of
    shared memory a modality. Tensors of unequal shapes stay a list.

    Args:
        batch: Samples ``{'inputs': {modality: (...)}, 'data_samples': AVDataSample}``, or a finished batch.

    Returns:
        ``{'inputs': {modality: (B, ...)}, 'data_samples': [...]}``. If only some samples have a modality,
        ``inputs[modality]`` has the rows of those alone, and ``inputs['present'][modality]``, a boolean ``(B,)``,
        tells which they are.
    """
    if isinstance(batch, dict):
        return batch
    names = dict.fromkeys(name for item in batch for name in item['inputs'])
    inputs: dict = {}
    present: dict[str, Tensor] = {}
    for name in names:
        has = [name in item['inputs'] for item in batch]
        inputs[name] = _stack([item['inputs'][name] for item, there in zip(batch, has, strict=True) if there])
        if not all(has):
            present[name] = torch.tensor(has)
    if present:
        inputs['present'] = present
    return {'inputs': inputs, 'data_samples': [item['data_samples'] for item in batch]}


def _stack(values: list[Tensor]) -> Tensor | list[Tensor]:
    if all(v.shape == values[0].shape and v.dtype == values[0].dtype for v in values):
        return stack_shared(values) if can_stack_shared(values) else default_collate(values)
    return values
