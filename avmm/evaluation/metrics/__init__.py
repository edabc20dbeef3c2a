"""Metrics that configs name."""
from avmm.evaluation.metrics.av_accuracy import AVAccuracy
from avmm.evaluation.metrics.base import Predictions, ScoreMetric
from avmm.evaluation.metrics.confusion_matrix import ConfusionMatrix
from avmm.evaluation.metrics.multi_label_metric import MultiLabelMetric
from avmm.evaluation.metrics.per_class_accuracy import PerClassAccuracy
from avmm.evaluation.metrics.prediction_dump import PredictionDump

__all__ = [
    'AVAccuracy', 'ConfusionMatrix', 'MultiLabelMetric', 'PerClassAccuracy', 'PredictionDump', 'Predictions',
    'ScoreMetric'
]
