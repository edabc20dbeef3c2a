"""From files to plain answers: what all inferencers share."""
from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from avmm.apis.model import init_model
from avmm.apis.zoo import find_config
from avmm.datasets.collate import av_collate
from avmm.models.base import AVModel
from avmm.registry import DATASETS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from avmm.utils.cli import one_line
from avmm.utils.tooling import pick_device

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Item = str | os.PathLike | Mapping
#: Files that are read at once, where the caller does not say.
BATCH_SIZE = 8
ON_ERROR = ('raise', 'report')


@dataclass
class Answer:
    """What became of one input.

    Attributes:
        name: What the user calls it: the file.
        inputs: What the model sees, ``{modality: (...)}``, before its preprocessor.
        sample: The sample, with predictions once the model has run.
        info: Facts about the file that the result tells.
        error: One line, if the file cannot be used.
        result: The plain dictionary.
    """
    name: str
    inputs: dict[str, Tensor] = field(default_factory=dict)
    sample: AVDataSample | None = None
    info: dict[str, Any] = field(default_factory=dict)
    error: str = ''
    result: dict[str, Any] = field(default_factory=dict)


class AVInferencer(ABC):
    """Base of inferencers: ``inferencer(['a.mp4', 'b.mp4'])`` gives a plain dictionary a file.

    A subclass writes :meth:`prepare`, which brings one file into the form of the model's inputs, and :meth:`result`,
    which turns a sample with predictions into a dictionary that ``json`` can write; :meth:`figure` if there is
    something to draw, and :meth:`predict` if its model asks for more than ``test_step``. ``models`` is the class of
    the models that will do, ``task`` what they do.

    Args:
        config: A config, its file, or the name of a model of :func:`~avmm.apis.list_models`.
        checkpoint: Weights; without them they are fresh, and the answers mean nothing.
        device: Where the model runs, such as ``'cuda:0'``; a GPU if there is one by default.
        classes: Names of the classes; those of the config's data set by default.
        workers: Threads that read files ahead of the model. 0 reads a file when its turn comes.
        seed: Seed of what is random in reading a file; every file is read as if it were alone.
        trust: Let the checkpoint hold more than plain data, and so run code.

    Raises:
        ConfigError: If the config is missing or wrong, or its model is none for this inferencer.
        CheckpointError: If the checkpoint cannot be read or is of another model.
    """

    #: What the models of this inferencer do, as ``list_models`` tells it.
    task = ''
    #: The models that will do.
    models: type[AVModel] = AVModel

    def __init__(self, config: str | os.PathLike | Config, checkpoint: str | os.PathLike | None = None,
                 device: str | torch.device | None = None, *, classes: Sequence[str] | None = None, workers: int = 0,
                 seed: int = 0, trust: bool = False):
        self.cfg = config if isinstance(config, Config) else find_config(config)
        self.device = pick_device(None if device is None else str(device))
        self.model = init_model(self.cfg, checkpoint, self.device, seed, trust)
        self.check_model(self.model)
        self.seed, self.workers = seed, workers
        self.data = self.build_data()
        self.classes = self._class_names(classes)

    # For subclasses ------------------------------------------------------------------------------------------------

    def check_model(self, model: AVModel) -> None:
        """Raise :class:`ConfigError` for a model that this inferencer has no use for."""
        if not isinstance(model, self.models):
            raise ConfigError(f'{type(self).__name__} is for models of the kind {self.models.__name__}, and '
                              f'{type(model).__name__} is another one; init_inferencer picks the right inferencer')

    @abstractmethod
    def prepare(self, item: Item) -> Answer:
        """Bring one item into the form of the model's inputs.

        It runs in a thread if there are ``workers``.

        Raises:
            DataError: If the file cannot be used.
        """

    @abstractmethod
    def result(self, answer: Answer, **options) -> dict[str, Any]:
        """What the user gets for a sample with predictions: str, float, int, list and dict, and nothing else."""

    def figure(self, answer: Answer) -> Figure:
        """The picture of an answer."""
        raise ConfigError(f'{type(self).__name__} draws no pictures')

    def run(self, batch: list[Answer]) -> None:
        """Give the answers of a batch their predictions; those with unequal inputs pass the model one after another.

        It runs in the main thread. A subclass whose inputs need work on the device does it here.
        """
        groups: dict[tuple, list[Answer]] = {}
        for answer in batch:
            key = tuple((name, tuple(value.shape), value.dtype) for name, value in sorted(answer.inputs.items()))
            groups.setdefault(key, []).append(answer)
        for group in groups.values():
            for answer, sample in zip(group, self.predict(group), strict=True):
                answer.sample = sample

    def predict(self, batch: list[Answer]) -> list[AVDataSample]:
        """Samples with predictions of inputs of equal shapes."""
        with torch.inference_mode():
            return self.model.test_step(av_collate([dict(inputs=a.inputs, data_samples=a.sample) for a in batch]))

    # What the config says ------------------------------------------------------------------------------------------

    def data_config(self) -> dict:
        """Config of the data set that the model is tested on; of another split if there is no test split.

        Raises:
            ConfigError: If the config has no data set.
        """
        for split in ('test', 'val', 'train'):
            loader = self.cfg.get(f'{split}_dataloader')
            if loader:
                data = loader['dataset']
                # Wrappers such as RepeatDataset keep the data set under this name.
                while 'dataset' in data:
                    data = data['dataset']
                return dict(data)
        raise ConfigError('the config has no test_dataloader, so it does not say how files are read')

    def build_data(self):
        """The data set of the config with nothing of it read; None if it needs files that are not there."""
        try:
            return DATASETS.build(dict(self.data_config(), lazy_init=True))
        except DataError:
            return None

    def _class_names(self, given: Sequence[str] | None) -> tuple[str, ...]:
        names = given if given is not None else (self.data.metainfo.get('classes') if self.data is not None else None)
        count = getattr(self.model, 'num_classes', None)
        if names is None or not len(names):
            return tuple(map(str, range(count or 0)))
        if given is not None and count is not None and len(names) != count:
            raise ConfigError(f'classes: {len(names)} names for a model of {count} classes')
        return tuple(map(str, names))

    # Running -------------------------------------------------------------------------------------------------------

    def __call__(self, inputs: Item | Iterable[Item], batch_size: int | None = None,
                 pictures: str | os.PathLike | None = None, stream: bool = False, on_error: str = 'raise',
                 **options) -> list[dict[str, Any]] | Iterator[dict[str, Any]]:
        """Answer for every input, in their order.

        Args:
            inputs: A file, or several: paths, or dictionaries as :func:`~avmm.apis.clips.describe` takes them.
            batch_size: Inputs that pass the model together; 8, and 1 with ``stream``.
            pictures: Folder to write a picture of each answer into.
            stream: Return a generator, which reads inputs as it is asked for answers, so that they may be endless.
            on_error: ``'raise'`` an error for a file that cannot be used, or ``'report'`` it in the place of the
                answer: ``{'file': ..., 'error': one line}``.
            **options: What :meth:`result` takes.

        Raises:
            ConfigError: If an argument cannot be.
            DataError: If a file cannot be used and ``on_error='raise'``.
        """
        answers = self.answers(inputs, batch_size or (1 if stream else BATCH_SIZE), pictures, on_error, **options)
        results = (answer.result for answer in answers)
        return results if stream else list(results)

    def answers(self, inputs: Item | Iterable[Item], batch_size: int = BATCH_SIZE,
                pictures: str | os.PathLike | None = None, on_error: str = 'raise', **options) -> Iterator[Answer]:
        """As calling, with what the model saw and said beside each result."""
        if on_error not in ON_ERROR:
            raise ConfigError(f'on_error must be one of {", ".join(ON_ERROR)}, got {on_error!r}')
        if batch_size < 1:
            raise ConfigError(f'batch_size must be at least 1, got {batch_size}')
        items = [inputs] if isinstance(inputs, (str, os.PathLike, Mapping)) else inputs
        album = None if pictures is None else Album(pictures)
        return self._answers(items, batch_size, album, on_error, options)

    def _answers(self, items: Iterable[Item], batch_size: int, album: Album | None, on_error: str,
                 options: dict) -> Iterator[Answer]:
        prepared = self._prepared(items, on_error)
        while batch := list(islice(prepared, batch_size)):
            self.run([answer for answer in batch if not answer.error])
            for answer in batch:
                if answer.error:
                    answer.result = dict(file=answer.name, error=answer.error)
                else:
                    answer.result = dict(file=answer.name, **self.result(answer, **options))
                    if album is not None:
                        answer.result['picture'] = album.add(answer, self.figure(answer))
                yield answer

    def _prepared(self, items: Iterable[Item], on_error: str) -> Iterator[Answer]:
        def attempt(item: Item) -> Answer:
            try:
                return self.prepare(item)
            except (DataError, OSError) as error:
                if on_error == 'raise':
                    raise
                return Answer(item_name(item), error=one_line(error))

        if not self.workers:
            yield from map(attempt, items)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(attempt, item))
                    if len(waiting) > 2 * self.workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def rng(self) -> np.random.Generator:
        """The generator that belongs to one file, the same for each."""
        return np.random.default_rng((self.seed, 0, 0))


class Album:
    """A folder of pictures, each under a name of its own.

    Args:
        folder: Where they go.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._names: set[str] = set()

    def add(self, answer: Answer, figure: Figure) -> str:
        """Write a picture and return its path."""
        from avmm.visualization.style import save_figure
        stem = re.sub(r'[^\w.-]', '_', str(answer.sample.get('sample_id', ''))) or 'picture'
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f'{stem}_{number}'
        self._names.add(name)
        return str(save_figure(figure, self.folder / f'{name}.png'))


def item_name(item: Item) -> str:
    """What to call an item that could not be read."""
    if isinstance(item, Mapping):
        return str(next((item[key] for key in ('video_path', 'audio_path', 'frame_dir') if key in item), dict(item)))
    return os.fspath(item)


def ranked(scores: Tensor | Sequence[float], classes: Sequence[str], most: int) -> list[dict[str, Any]]:
    """The best classes of ``(C,)``: ``[{'label': name, 'index': number, 'score': number}]``."""
    scores = torch.as_tensor(scores).float().cpu()
    values, places = scores.topk(min(most, len(scores)))
    return [dict(label=class_name(classes, i), index=i, score=value)
            for value, i in zip(values.tolist(), places.tolist(), strict=True)]


def class_answer(sample: AVDataSample, classes: Sequence[str], top: int) -> dict[str, Any]:
    """The best class of a sample with predictions, the ``top`` ones of each kind of scores, and all scores."""
    scores = sample.scores_by_name
    best = int(sample.pred_label)
    return dict(label=class_name(classes, best), index=best, score=float(sample.pred_score[best]),
                top={kind: ranked(values, classes, top) for kind, values in scores.items()},
                scores={kind: values.float().cpu().tolist() for kind, values in scores.items()})


def class_name(classes: Sequence[str], index: int) -> str:
    """Name of a class; its number if there is none."""
    return classes[index] if index < len(classes) else str(index)
