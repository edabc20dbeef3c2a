"""Measures as plain functions on arrays or tensors."""
from avmm.evaluation.functional.arrays import Array, as_labels, as_numpy, as_scores, as_targets
from avmm.evaluation.functional.classification import (
    confusion_matrix,
    macro_f1,
    mean_class_accuracy,
    per_class_accuracy,
    top_k_accuracy,
)
from avmm.evaluation.functional.ranking import (
    average_precision,
    d_prime,
    envelope_mean_average_precision,
    mean_average_precision,
    mean_roc_auc,
    ranking_scores,
    roc_auc,
)

__all__ = [
    'Array', 'as_labels', 'as_numpy', 'as_scores', 'as_targets', 'average_precision', 'confusion_matrix', 'd_prime',
    'envelope_mean_average_precision', 'macro_f1', 'mean_average_precision', 'mean_class_accuracy', 'mean_roc_auc',
    'per_class_accuracy', 'ranking_scores', 'roc_auc', 'top_k_accuracy'
]
