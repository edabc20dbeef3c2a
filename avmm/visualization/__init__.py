"""Pictures: of runs, of samples, of what a model makes of them."""
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

__all__ = [
    'AVVisualizer', 'LearningCurveHook', 'PredictionPictureHook', 'class_colours', 'colour_of',
    'draw_class_scores', 'draw_confusion_matrix', 'draw_curves', 'draw_embedding', 'draw_frames',
    'draw_learning_curves', 'draw_sample', 'draw_spectrogram', 'draw_waveform', 'new_figure', 'save_figure',
    'to_pictures'
]
