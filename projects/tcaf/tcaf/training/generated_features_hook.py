"""The classifier of generated features, trained before every evaluation."""
from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from avmm.datasets import av_collate
from avmm.registry import DATASETS, HOOKS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.evaluation import calibrate
from projects.tcaf.tcaf.training.restart import bare_model

#: Clips read at once.
_BATCH = 1024


@HOOKS.register_module()
class GeneratedFeaturesHook(Hook):
    """Trains the softmax classifier of :class:`FVAEGAN` on real seen and generated unseen features.

    The real ones are those of the training split: ``train`` in validation, ``train_val`` in the test.

    Args:
        count: Generated features of a class, and samples of a batch of the classifier.
        epochs: Epochs of the classifier.
        lr: Its learning rate.
        select: ``'last'`` epoch, or the ``'best'`` on the data of the evaluation itself, as published: such figures
            are too good.

    Raises:
        ConfigError: If an option is unknown.
    """

    # After the hook that hands over the classes.
    priority = 'NORMAL'

    def __init__(self, count: int = 1000, epochs: int = 30, lr: float = 1e-3, select: str = 'last'):
        if select not in ('last', 'best'):
            raise ConfigError(f"GeneratedFeaturesHook: select={select!r} is unknown; use 'last' or 'best'")
        self.options, self.select = dict(count=count, epochs=epochs, lr=lr), select

    def before_val_epoch(self, runner: Runner) -> None:
        """Train it for the validation."""
        self._fit(runner, 'val', 'train')

    def before_test_epoch(self, runner: Runner) -> None:
        """Train it for the test."""
        self._fit(runner, 'test', 'train_val')

    def _fit(self, runner: Runner, evaluation: str, split: str) -> None:
        loader = f'{evaluation}_dataloader'
        # Of the evaluation, as a test knows no training data.
        model, cfg = bare_model(runner).eval(), copy.deepcopy(runner.cfg[loader]['dataset'])
        evaluated = getattr(runner, loader).dataset
        cfg.update(split=split)
        known = DATASETS.build(cfg)
        features, labels = joined_features(model, known)
        judge = None
        if self.select == 'best':
            shown, truth = joined_features(model, evaluated)
            judge = _judge(model, shown, truth, evaluated.metainfo)
        model.fit_classifier(features, labels, evaluated.metainfo['unseen_ids'], judge=judge, **self.options)


@torch.no_grad()
def joined_features(model, dataset) -> tuple[torch.Tensor, list[int]]:
    """Features ``(N, D)`` of all clips of a data set as the model joins them, and their classes."""
    parts = []
    for start in range(0, len(dataset), _BATCH):
        numbers = range(start, min(start + _BATCH, len(dataset)))
        whole = getattr(dataset, '__getitems__', None)
        batch = whole(numbers) if whole else av_collate([dataset[i] for i in numbers])
        inputs = model.data_preprocessor(dict(inputs=batch['inputs'], data_samples=None), False)['inputs']
        parts.append(model.join(model.extract_feat(inputs)).clone())
    return torch.cat(parts), [int(label) for label in dataset.labels]


def _judge(model, features: torch.Tensor, labels: list[int], meta: dict) -> Callable[[], float]:
    """A function that gives the harmonic mean of the model's present classifier, without calibration."""

    @torch.no_grad()
    def harmonic_mean() -> float:
        found = calibrate(-model.classify(features).float(), torch.tensor(labels), meta['class_ids'],
                          meta['seen_ids'], meta['unseen_ids'], [0.0])
        return float(found.hm[0])

    return harmonic_mean
