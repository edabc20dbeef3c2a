"""Which classes a model may answer with, and what a checkpoint knows about its stage."""
from __future__ import annotations

from mmengine.dist import all_reduce_params, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Dataset

from avmm.registry import HOOKS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.training.restart import bare_model


@HOOKS.register_module()
class ZeroShotHook(Hook):
    """Gives the model the classes of the data that it runs on, and keeps in checkpoints what a test needs.

    A checkpoint of a run by :class:`ZeroShotTrainLoop` gets the entry ``zero_shot``: ``stage`` and ``epoch`` (counted
    from 1), ``best_epoch`` of stage 1, ``beta``, the constant to test this file with (its own in stage 1, that of
    the best epoch of stage 1 in stage 2; None if there is none), and ``records`` of both stages.

    On several ranks, running statistics become their mean over the ranks after every update: each rank evaluates, and
    each checkpoint holds, one and the same model.
    """

    priority = 'HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        """The classes of the training data."""
        use_classes(runner, runner.train_dataloader.dataset)

    def before_val_epoch(self, runner: Runner) -> None:
        """Those of the validation."""
        use_classes(runner, runner.val_dataloader.dataset)

    def before_test_epoch(self, runner: Runner) -> None:
        """Those of the test."""
        use_classes(runner, runner.test_dataloader.dataset)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """The same running statistics on every rank, before a checkpoint of this iteration."""
        if get_world_size() > 1:
            norms = [m for m in bare_model(runner).modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
            if norms:
                all_reduce_params([value for m in norms for value in (m.running_mean, m.running_var)], op='mean')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the stage, the best epoch and the constant of calibration."""
        loop = runner.train_loop
        if not hasattr(loop, 'records_state'):
            return
        first = loop.records[1]
        checkpoint['zero_shot'] = dict(
            stage=loop.stage, epoch=checkpoint['meta']['epoch'], best_epoch=first.best_epoch,
            beta=first.last_beta if loop.stage == 1 else first.beta, records=loop.records_state())

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Hand the constant to the test loop."""
        loop = runner._test_loop
        if hasattr(loop, 'calibration') and 'zero_shot' in checkpoint:
            loop.calibration = checkpoint['zero_shot']['beta']


def use_classes(runner: Runner, dataset: Dataset) -> None:
    """Give the model of a runner the classes of a data set.

    Raises:
        ConfigError: If it has none to give.
    """
    words = getattr(dataset, 'class_words', None)
    if words is None:
        raise ConfigError(f'{type(dataset).__name__} has no class_words; zero-shot models run on data sets such as '
                          'GZSLDataset')
    bare_model(runner).set_classes(words, dataset.metainfo['class_ids'])
