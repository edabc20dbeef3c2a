"""When to save, what to keep, and in which order."""
from __future__ import annotations

import hashlib
import io
from collections import deque
from pathlib import Path

import torch
from mmengine.dist import is_main_process, master_only
from mmengine.hooks import CheckpointHook as _CheckpointHook

from avmm.engine.checkpoint import load_checkpoint, save_checkpoint
from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """mmengine's checkpoint hook, with nothing deleted before what replaces it is on the disk.

    Args:
        interval: Epochs between two checkpoints ``epoch_N.pth``, or iterations between two ``iter_N.pth``.
        by_epoch: What ``interval`` counts. Iterations can be counted in the epoch loop as well.
        iter_interval: Besides the checkpoints of epochs, one every so many iterations, from which a killed run goes
            on inside the epoch; only the newest of these is kept. 0 writes none.
        **kwargs: Arguments of mmengine's hook: ``max_keep_ckpts``, ``save_last``, ``save_best``, ``rule``,
            ``published_keys``, ``save_begin``, ``out_dir`` (a local folder), ``filename_tmpl`` and more.
    """

    def __init__(self, interval: int = -1, by_epoch: bool = True, iter_interval: int = 0, **kwargs):
        super().__init__(interval=interval, by_epoch=by_epoch, **kwargs)
        self.iter_interval = iter_interval

    def before_train(self, runner) -> None:
        """Find out what an earlier part of the run has kept, and clear what a killed one left half-written."""
        # As in mmengine, runs that share an out_dir get a folder each.
        out_dir = Path(self.out_dir or runner.work_dir)
        shared = out_dir.resolve() != Path(runner.work_dir).resolve()
        self.out_dir = str(out_dir / Path(runner.work_dir).name if shared else out_dir)
        info = runner.message_hub.get_info
        if self.save_best is not None:
            if len(self.key_indicators) == 1:
                self.best_ckpt_path = info('best_ckpt')
            else:
                self.best_ckpt_path_dict = {key: info(f'best_ckpt_{key}') for key in self.key_indicators}
        kept = list(info('keep_ckpt_ids', ()))
        if self.max_keep_ckpts > 0:
            for old in kept[:-self.max_keep_ckpts]:
                self._remove(self._path(self.filename_tmpl.format(old)))
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        if is_main_process():
            for torn in Path(self.out_dir).glob('.*.pth.*.tmp'):
                torn.unlink(missing_ok=True)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Save if an interval of iterations is over."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self.by_epoch and self.iter_interval and self.every_n_train_iters(runner, self.iter_interval):
            previous = runner.message_hub.get_info('rolling_ckpt')
            step = runner.iter + 1
            path = self._path(f'iter_{step}.pth')
            runner.message_hub.update_info('rolling_ckpt', path)
            runner.save_checkpoint(self.out_dir, f'iter_{step}.pth', meta=dict(epoch=runner.epoch, iter=step),
                                   by_epoch=False)
            runner.write_last_checkpoint(path)
            if previous and previous != path:
                self._remove(previous)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        outdated = []
        if self.max_keep_ckpts > 0:
            kept = [i for i in self.keep_ckpt_ids if i != step] + [step]
            # The checkpoint still lists those that it is about to replace, so a run killed in between removes them.
            runner.message_hub.update_info('keep_ckpt_ids', kept)
            outdated = kept[:-self.max_keep_ckpts]
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(kept)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self._path(name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(self.out_dir, name, save_optimizer=self.save_optimizer,
                               save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch)
        runner.write_last_checkpoint(self.last_ckpt)
        for old in outdated:
            self._remove(self._path(self.filename_tmpl.format(old)))

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        if not self.save_best:
            return
        time_name, time = ('epoch', runner.epoch) if self.by_epoch else ('iter', runner.iter)
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        outdated, improved = [], False
        for key, rule in zip(self.key_indicators, self.rules, strict=True):
            if key not in metrics:
                raise ConfigError(f'save_best={key!r} is not a metric of the validation; it gave {", ".join(metrics)}')
            suffix = '' if len(self.key_indicators) == 1 else f'_{key}'
            score = metrics[key]
            best = runner.message_hub.get_info(f'best_score{suffix}', self.init_value_map[rule])
            if score is None or not self.is_better_than[key](score, best):
                continue
            improved = True
            name = f'best_{key}_{self.filename_tmpl.format(time)}'.replace('/', '_')
            path = self._path(name)
            old = runner.message_hub.get_info(f'best_ckpt{suffix}')
            if old and old != path:
                outdated.append(old)
            runner.message_hub.update_info(f'best_score{suffix}', score)
            runner.message_hub.update_info(f'best_ckpt{suffix}', path)
            if suffix:
                self.best_ckpt_path_dict[key] = path
            else:
                self.best_ckpt_path = path
            runner.save_checkpoint(self.out_dir, name, save_optimizer=False, save_param_scheduler=False, meta=meta,
                                   by_epoch=False)
            runner.logger.info(f'best {key} so far, {float(score):.4f} after {time_name} {time}: {name}')
        # The newest checkpoint learns what is best, and then the old best may go.
        if improved and self.last_ckpt is not None:
            self._save_checkpoint_with_step(runner, time, meta)
        for old in outdated:
            self._remove(old)

    def _path(self, name: str) -> str:
        return str(Path(self.out_dir, name))

    def _remove(self, path: str) -> None:
        if is_main_process():
            Path(path).unlink(missing_ok=True)

    @master_only
    def _publish_model(self, runner, ckpt_path: str) -> None:
        content = load_checkpoint(ckpt_path)
        content = {k: v for k, v in content.items() if k in self.published_keys}
        buffer = io.BytesIO()
        torch.save(content, buffer)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
        final = Path(ckpt_path).with_suffix('')
        save_checkpoint(content, f'{final}-{digest}.pth')
        runner.logger.info(f'published {final}-{digest}.pth')
