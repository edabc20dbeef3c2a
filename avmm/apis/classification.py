"""What a video shows and sounds like: answers of classifiers."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avmm.apis.clips import describe, file_pipeline
from avmm.apis.inferencer import Answer, AVInferencer, Item, class_answer
from avmm.datasets import AVClipDataset
from avmm.models.classifiers.av_classifier import AVClassifier
from avmm.registry import INFERENCERS
from avmm.utils import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MISSING = {'audio': 'no sound', 'visual': 'no pictures'}


@INFERENCERS.register_module()
class AVClassificationInferencer(AVInferencer):
    """Classes of videos, by a model that a config and a checkpoint give.

    A video is read as the preparation of the config's data set would read it, and then passes the steps of the
    config's test pipeline: what comes out is what a clip of the data set made of that video would give. Files of
    sound, images and folders of images will do as well; the modality that a file lacks is left out, ``missing`` tells
    which, and the scores of the others stand.

    Each answer::

        {'file': 'a.mp4', 'label': 'playing violin', 'index': 20, 'score': 0.93,
         'top': {'joint': [{'label': 'playing violin', 'index': 20, 'score': 0.93}, ...], 'audio': [...], ...},
         'scores': {'joint': [C numbers], 'audio': [...], 'visual': [...]}, 'missing': [], 'picture': 'a.png'}

    Args:
        config: A config, its file, or the name of a model.
        checkpoint: Weights.
        device: Where the model runs.
        missing: ``'allow'`` or ``'error'`` for a file that lacks a modality of the model.
        **kwargs: ``classes``, ``workers``, ``seed`` and ``trust`` of :class:`AVInferencer`.

    Example:
        >>> inferencer = AVClassificationInferencer('av_digits', 'work_dirs/av_digits/epoch_8.pth')  # doctest: +SKIP
        >>> inferencer(['seven.mp4'])[0]['label']  # doctest: +SKIP
        '7'
    """

    task = 'Audio-visual classification'
    models = AVClassifier

    def __init__(self, config, checkpoint=None, device=None, *, missing: str = 'allow', **kwargs):
        if missing not in ('allow', 'error'):
            raise ConfigError(f"missing must be 'allow' or 'error', got {missing!r}")
        super().__init__(config, checkpoint, device, **kwargs)
        self.missing = missing
        self.pipeline = file_pipeline(self.data_config().get('pipeline', ()), self._reference())

    def _reference(self) -> AVClipDataset:
        """The data set that knows how its clips are made from videos; one without rules where it cannot be built."""
        if self.data is None:
            return AVClipDataset(layout=dict(video_path='{id}'), lazy_init=True)
        if not isinstance(self.data, AVClipDataset):
            raise ConfigError(f'{type(self.data).__name__} does not say how a file becomes an input; the data set of '
                              'the config must be an AVClipDataset')
        return self.data

    def prepare(self, item: Item) -> Answer:
        """Run the pipeline on one file."""
        name, results = describe(item)
        results['rng'] = self.rng()
        for step in self.pipeline:
            results = step(results)
        inputs = {m: value for m, value in results['inputs'].items() if m in self.model.modalities}
        missing = [m for m in self.model.modalities if m not in inputs]
        if missing and (self.missing == 'error' or not inputs):
            what = ' and '.join(_MISSING.get(m, f'no {m}') for m in missing)
            raise DataError(f'{name}: the file has {what}, and the model needs {" and ".join(missing)}')
        return Answer(name, inputs, results['data_samples'], dict(missing=missing))

    def result(self, answer: Answer, top: int = 5) -> dict[str, Any]:
        """Class names, and the scores of each kind.

        Args:
            answer: A sample with predictions.
            top: Classes to name of each kind.
        """
        return dict(class_answer(answer.sample, self.classes, top), **answer.info)

    def figure(self, answer: Answer) -> Figure:
        """Frames, spectrogram and class bars."""
        from avmm.visualization.plots import draw_class_scores, draw_sample
        from avmm.visualization.style import new_figure
        figure, axes = new_figure(1, len(answer.inputs) + 1, size=(3.6, 3.0))
        draw_sample(axes[0][:-1], answer.inputs)
        draw_class_scores(axes[0][-1], answer.sample.scores_by_name, self.classes,
                          title=f'joint: {answer.result["label"]}')
        figure.suptitle(str(answer.sample.get('sample_id', '')), fontsize=9)
        return figure
