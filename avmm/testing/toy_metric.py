"""A metric with no options."""
from __future__ import annotations

from mmengine.evaluator import BaseMetric

from avmm.registry import METRICS


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    """Share of right joint labels, in per cent, as ``toy/accuracy``."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples) -> None:
        """Compare the predictions of a batch."""
        for sample in data_samples:
            sample = sample if isinstance(sample, dict) else sample.to_dict()
            self.results.append(int(sample['pred_label']) == sample['gt_label'])

    def compute_metrics(self, results: list) -> dict:
        """``{'accuracy': per cent}``."""
        return dict(accuracy=100.0 * sum(results) / len(results))
