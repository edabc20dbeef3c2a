from avmm.evaluation.metrics import (
    AVAccuracy,
    ConfusionMatrix,
    CrossModalLocalization,
    EventF1,
    MultiLabelMetric,
    PerClassAccuracy,
    PerClassSegmentAccuracy,
    PredictionDump,
    ScoreMetric,
    SegmentAccuracy,
    SegmentMetric,
    TableMetric,
)

__all__ = [
    'AVAccuracy', 'ConfusionMatrix', 'CrossModalLocalization', 'EventF1', 'MultiLabelMetric', 'PerClassAccuracy',
    'PerClassSegmentAccuracy', 'PredictionDump', 'ScoreMetric', 'SegmentAccuracy', 'SegmentMetric', 'TableMetric'
]
