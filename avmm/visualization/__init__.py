"""Pictures: of runs, of samples, of what a model makes of them."""
from avmm.visualization.attention_overlay import overlay, segment_frames
from avmm.visualization.av_visualizer import AVVisualizer
from avmm.visualization.learning_curve import LearningCurveHook, draw_learning_curves
from avmm.visualization.plots import (
    draw_class_scores,
    draw_confusion_matrix,
    draw_curves,
    draw_embedding,
    draw_frames,
    draw_sample,
    draw_spectrogram,
    draw_waveform,
    to_pictures,
)
from avmm.visualization.prediction_hook import PredictionPictureHook
from avmm.visualization.style import class_colours, colour_of, new_figure, save_figure
from avmm.visualization.timeline import (
    draw_segment_pictures,
    draw_segment_scores,
    draw_segments,
    event_timeline,
    sample_timeline,
)

__all__ = [
    'AVVisualizer', 'LearningCurveHook', 'PredictionPictureHook', 'class_colours', 'colour_of',
    'draw_class_scores', 'draw_confusion_matrix', 'draw_curves', 'draw_embedding', 'draw_frames',
    'draw_learning_curves', 'draw_sample', 'draw_segment_pictures', 'draw_segment_scores', 'draw_segments',
    'draw_spectrogram', 'draw_waveform', 'event_timeline', 'new_figure', 'overlay', 'sample_timeline',
    'save_figure', 'segment_frames', 'to_pictures'
]
