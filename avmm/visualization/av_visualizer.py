"""The visualizer of audio-visual runs."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.visualization import Visualizer

from avmm.evaluation.functional import Array
from avmm.registry import VISUALIZERS
from avmm.structures import AVDataSample
from avmm.visualization.plots import draw_class_scores, draw_sample
from avmm.visualization.style import new_figure, save_figure


@VISUALIZERS.register_module()
class AVVisualizer(Visualizer):
    """mmengine's visualizer, which also draws what a model makes of a sample.

    Args:
        *args: Arguments of ``mmengine.visualization.Visualizer``.
        **kwargs: The same.

    Example:
        >>> visualizer = dict(type='AVVisualizer', vis_backends=[dict(type='TensorboardVisBackend')])
    """

    def draw_prediction(self, inputs: Mapping[str, Array], sample: AVDataSample, classes: Sequence[str] | None = None,
                        out_file: str | os.PathLike | None = None, name: str = 'prediction',
                        step: int = 0) -> np.ndarray:
        """Draw frames, spectrogram and class bars of a sample: joint, and of each modality alone.

        Args:
            inputs: What the model saw, ``{'audio': (1, F, T), 'visual': (3, T, H, W)}``.
            sample: The sample with its scores; the truth is marked if it is known.
            classes: Names of the classes; those of the data set by default.
            out_file: Where to write the picture. Without it, it goes to the backends of the visualizer.
            name: Name of the picture in the backends.
            step: Step of the picture in the backends.

        Returns:
            The picture ``(H, W, 3)`` uint8.
        """
        if classes is None:
            classes = (self.dataset_meta or {}).get('classes')
        scores = sample.scores_by_name
        label = sample.get('gt_label')
        truth = () if label is None else (label, ) if isinstance(label, int) else tuple(label)
        figure, axes = new_figure(1, len(inputs) + 1, size=(3.6, 3.0))
        draw_sample(axes[0][:-1], inputs)
        guess = int(sample.pred_label)
        said = f'joint: {classes[guess] if classes is not None else guess}'
        draw_class_scores(axes[0][-1], scores, classes, truth, title=said)
        figure.suptitle(str(sample.get('sample_id', '')), fontsize=9,
                        color='black' if not truth else '#1a7f37' if guess in truth else '#b42318')
        if out_file is not None:
            save_figure(figure, Path(out_file))
        figure.canvas.draw()
        picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
        if out_file is None:
            self.add_image(name, picture, step=step)
        return picture
