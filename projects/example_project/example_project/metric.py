"""A metric: how unequal the modalities are."""
from __future__ import annotations

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from avmm.registry import METRICS


@METRICS.register_module()
class ExampleProjectGap(BaseMetric):
    """Accuracy of the best modality alone minus that of the worst, in percentage points, as ``gap/accuracy``.

    Args:
        collect_device: ``'cpu'`` or ``'gpu'``, where several ranks gather.
        prefix: Replaces ``gap`` in the name.
    """

    default_prefix = 'gap'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep which modalities are right about each sample."""
        for sample in data_samples:
            scores = sample['unimodal_scores']
            self.results.append({m: int(score.argmax()) == sample['gt_label'] for m, score in scores.items()})

    def compute_metrics(self, results: list[dict[str, bool]]) -> dict[str, float]:
        """``{'accuracy': points}``; samples that lack a modality do not count for it."""
        modalities = {m for row in results for m in row}
        accuracy = {}
        for m in modalities:
            right = [row[m] for row in results if m in row]
            accuracy[m] = 100.0 * sum(right) / len(right)
        return {'accuracy': max(accuracy.values()) - min(accuracy.values())}
