"""Pictures of what a model makes of its test samples."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from avmm.registry import HOOKS
from avmm.structures import AVDataSample
from avmm.visualization.style import save_figure
from avmm.visualization.timeline import sample_timeline


@HOOKS.register_module()
class PredictionPictureHook(Hook):
    """Draw one test sample in ``interval``: its frames, its spectrogram and its class bars, or its time line if it
    has predictions of segments.

    Args:
        out_dir: Folder of the pictures, one ``<sample_id>.png`` each.
        interval: Distance between two drawn samples.
    """

    def __init__(self, out_dir: str | os.PathLike, interval: int = 20):
        self.out_dir = Path(out_dir)
        self.interval = interval
        self._seen = 0

    def before_test(self, runner: Runner) -> None:
        """Make the folder, so that a wrong path fails before the work."""
        self.out_dir.mkdir(parents=True, exist_ok=True)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[AVDataSample] | None = None) -> None:
        """Draw the samples of this batch whose turn it is."""
        classes = runner.test_dataloader.dataset.metainfo.get('classes')
        for i, sample in enumerate(outputs):
            if self._seen % self.interval == 0:
                name = re.sub(r'[^\w.-]', '_', str(sample.get('sample_id', self._seen)))
                out_file = self.out_dir / f'{name}.png'
                if 'pred_segments' in sample:
                    save_figure(sample_timeline(sample, classes or ()), out_file)
                else:
                    inputs = inputs_of(data_batch['inputs'], i)
                    runner.visualizer.draw_prediction(inputs, sample, classes, out_file=out_file)
            self._seen += 1


def inputs_of(inputs: dict, index: int) -> dict:
    """What one sample of a batch has, ``{modality: (...)}``.

    Args:
        inputs: The batch as ``av_collate`` gives it: where only some samples have a modality, ``present`` tells which,
            and the modality has rows for these alone.
        index: Number of the sample in the batch.
    """
    present = inputs.get('present', {})
    own = {}
    for name, rows in inputs.items():
        if name == 'present':
            continue
        if name not in present:
            own[name] = rows[index]
        elif present[name][index]:
            own[name] = rows[int(present[name][:index].sum())]
    return own
