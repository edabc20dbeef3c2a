"""Checkpoints of both stages."""
from __future__ import annotations

from collections.abc import Sequence

from mmengine.runner import Runner

from avmm.engine.hooks import CheckpointHook
from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class StageCheckpointHook(CheckpointHook):
    """Saves ``stage1_epoch_N.pth`` and ``stage2_epoch_N.pth``, after the validation and the schedule of an epoch.

    Goes with :class:`ZeroShotTrainLoop`. The weights with the best score and those with the least loss of each stage
    are also kept alone, as ``best_score_stage1_epoch_7.pth``.

    Args:
        interval: Epochs between two checkpoints; the last one of a stage is saved in any case.
        iter_interval: Besides those, one every so many iterations, ``iter_N.pth``, from which a killed run goes on
            inside the epoch; only the newest of these is kept. 0 writes none.
        max_keep_ckpts: How many checkpoints of a stage are kept, the newest ones; -1 keeps all. The epoch that stage 1
            chose is kept in either stage.
        save_best: Of what the best weights are kept: ``'score'``, ``'loss'``.
        out_dir: Folder; the work directory by default.

    Raises:
        ConfigError: If ``save_best`` names something else.
    """

    def __init__(self, interval: int = 1, iter_interval: int = 0, max_keep_ckpts: int = -1,
                 save_best: Sequence[str] = ('score', 'loss'), out_dir: str | None = None):
        super().__init__(interval=interval, by_epoch=True, iter_interval=iter_interval, max_keep_ckpts=-1,
                         out_dir=out_dir)
        if not set(save_best) <= {'score', 'loss'}:
            raise ConfigError(f"StageCheckpointHook.save_best takes 'score' and 'loss', got {list(save_best)}")
        self.kept_best, self.keep = tuple(save_best), max_keep_ckpts

    def after_train_epoch(self, runner: Runner) -> None:
        """Nothing yet: the epoch is validated first."""

    def after_stage_epoch(self, runner: Runner) -> None:
        """Save the epoch, then the best weights, then remove what they replace."""
        loop = runner.train_loop
        outdated = [self._save_best(runner, kind) for kind in self.kept_best if kind in loop.improved]
        last = runner.epoch == runner.max_epochs or loop.stop_training
        if last or (self.interval > 0 and runner.epoch % self.interval == 0):
            name = f'stage{loop.stage}_epoch_{runner.epoch}.pth'
            self.last_ckpt = self._path(name)
            outdated += self._note_kept(runner, loop)
            runner.message_hub.update_info('last_ckpt', self.last_ckpt)
            self._save(runner, name)
            runner.write_last_checkpoint(self.last_ckpt)
        for path in filter(None, outdated):
            self._remove(path)

    def _save(self, runner: Runner, name: str, **options) -> None:
        runner.save_checkpoint(self.out_dir, name, meta=dict(epoch=runner.epoch, iter=runner.iter), by_epoch=True,
                               consumed=0, **options)

    def _save_best(self, runner: Runner, kind: str) -> str | None:
        """Save the weights alone; returns the file that they replace."""
        stage = runner.train_loop.stage
        name = f'best_{kind}_stage{stage}_epoch_{runner.epoch}.pth'
        self._save(runner, name, save_optimizer=False, save_param_scheduler=False)
        key = f'best_{kind}_stage{stage}'
        old, path = runner.message_hub.get_info(key), self._path(name)
        runner.message_hub.update_info(key, path)
        return old if old != path else None

    def _note_kept(self, runner: Runner, loop) -> list[str]:
        """Put this epoch on the list of those that are kept; returns the files that leave it."""
        key = f'kept_stage{loop.stage}'
        kept = [e for e in runner.message_hub.get_info(key, []) if e != runner.epoch] + [runner.epoch]
        gone = [e for e in kept[:-self.keep] if e != loop.records[1].best_epoch] if self.keep > 0 else []
        runner.message_hub.update_info(key, [e for e in kept if e not in gone])
        return [self._path(f'stage{loop.stage}_epoch_{e}.pth') for e in gone]
