"""Measures as plain functions on arrays or tensors."""
from avmm.evaluation.functional.arrays import Array, as_labels, as_numpy, as_scores, as_targets
from avmm.evaluation.functional.classification import (
    confusion_matrix,
    macro_f1,
    mean_class_accuracy,
    per_class_accuracy,
    top_k_accuracy,
)
from avmm.evaluation.functional.events import (
    AVERAGES,
    as_multi_hot,
    event_counts,
    event_f1,
    mean_f1,
    segment_counts,
    segment_f1,
)
from avmm.evaluation.functional.localization import (
    DIRECTIONS,
    Localization,
    localize_by_distance,
    localize_by_logits,
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
from avmm.evaluation.functional.retrieval import (
    TIES,
    cosine_similarity,
    paired_cosine,
    retrieval_positions,
    retrieval_scores,
)
from avmm.evaluation.functional.segments import (
    as_segment_labels,
    batch_segment_accuracy,
    class_segment_accuracy,
    event_class_labels,
    segment_accuracy,
    video_segment_accuracy,
)

__all__ = [
    'AVERAGES', 'Array', 'DIRECTIONS', 'Localization', 'TIES', 'as_labels', 'as_multi_hot', 'as_numpy', 'as_scores',
    'as_segment_labels', 'as_targets', 'average_precision', 'batch_segment_accuracy', 'class_segment_accuracy',
    'confusion_matrix', 'cosine_similarity', 'd_prime', 'envelope_mean_average_precision', 'event_class_labels',
    'event_counts', 'event_f1', 'localize_by_distance', 'localize_by_logits', 'macro_f1', 'mean_average_precision',
    'mean_class_accuracy', 'mean_f1', 'mean_roc_auc', 'paired_cosine', 'per_class_accuracy', 'ranking_scores',
    'retrieval_positions', 'retrieval_scores', 'roc_auc', 'segment_accuracy', 'segment_counts', 'segment_f1',
    'top_k_accuracy', 'video_segment_accuracy'
]
