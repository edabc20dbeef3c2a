"""Metrics that configs name."""
from avmm.evaluation.metrics.av_accuracy import AVAccuracy
from avmm.evaluation.metrics.base import PredictionMetric, Predictions, ScoreMetric, SegmentMetric
from avmm.evaluation.metrics.confusion_matrix import ConfusionMatrix
from avmm.evaluation.metrics.cross_modal_localization import CrossModalLocalization
from avmm.evaluation.metrics.event_f1 import EventF1
from avmm.evaluation.metrics.multi_label_metric import MultiLabelMetric
from avmm.evaluation.metrics.per_class_accuracy import PerClassAccuracy
from avmm.evaluation.metrics.per_class_segment_accuracy import PerClassSegmentAccuracy
from avmm.evaluation.metrics.prediction_dump import PredictionDump
from avmm.evaluation.metrics.segment_accuracy import SegmentAccuracy
from avmm.evaluation.metrics.table import Table, TableMetric

__all__ = [
    'AVAccuracy', 'ConfusionMatrix', 'CrossModalLocalization', 'EventF1', 'MultiLabelMetric', 'PerClassAccuracy',
    'PerClassSegmentAccuracy', 'PredictionDump', 'PredictionMetric', 'Predictions', 'ScoreMetric', 'SegmentAccuracy',
    'SegmentMetric', 'Table', 'TableMetric'
]
