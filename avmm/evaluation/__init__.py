from avmm.evaluation.metrics import (
    AVAccuracy,
    ConfusionMatrix,
    MultiLabelMetric,
    PerClassAccuracy,
    PredictionDump,
    ScoreMetric,
)

__all__ = [
    'AVAccuracy', 'ConfusionMatrix', 'MultiLabelMetric', 'PerClassAccuracy', 'PredictionDump', 'ScoreMetric'
]
