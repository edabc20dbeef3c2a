"""Where the transformers of UAVM look, and how far audio and video differ in it (figure 5)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from projects.uavm.uavm.models import FeatureTransformer


class AttentionDifference:
    """Mean absolute difference of the attention maps of audio and video, block by block, in a stream of batches.

    Nothing of a batch is kept but one number a block, so that memory does not grow with the number of clips.
    """

    def __init__(self):
        self._sums: dict[int, Tensor] = {}
        self._counts: dict[int, int] = {}

    def update(self, maps: Mapping[str, Tensor]) -> None:
        """Take in a batch of :meth:`FeatureTransformer.attention_maps`; joint blocks are left out."""
        for name, audio in maps.items():
            modality, _, block = name.partition('.')
            if modality != 'audio':
                continue
            block = int(block)
            difference = (audio - maps[f'visual.{block}']).abs().sum(dtype=torch.float64)
            self._sums[block] = self._sums.get(block, 0) + difference
            self._counts[block] = self._counts.get(block, 0) + audio.numel()

    def result(self) -> dict[int, float]:
        """``{block: mean}``; empty for a model whose modalities have no blocks apart."""
        return {block: float(self._sums[block]) / self._counts[block] for block in sorted(self._sums)}


def mean_differences(batches: Iterable[Mapping[str, Tensor]]) -> dict[int, float]:
    """:class:`AttentionDifference` of all batches."""
    difference = AttentionDifference()
    for maps in batches:
        difference.update(maps)
    return difference.result()


def attention_image(weights: Tensor) -> Tensor:
    """How much each step is looked at, ``(H, T)``, of the attention weights ``(H, T, T)`` of one clip.

    Each query is divided by its largest weight; then the queries are added.
    """
    return (weights / weights.amax(-1, keepdim=True)).sum(-2)


@torch.no_grad()
def attention_of(model: FeatureTransformer, loader: Iterable, pre_norm: bool = False) -> Iterator[dict[str, Tensor]]:
    """Attention maps of all blocks, batch by batch; see :meth:`FeatureTransformer.attention_maps`."""
    for batch in loader:
        yield model.attention_maps(model.data_preprocessor(batch, False)['inputs'], pre_norm)
