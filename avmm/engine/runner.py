"""The runner: mmengine's, made to survive."""
from __future__ import annotations

import copy
import functools
import logging
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import mmengine
import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, broadcast_object_list, get_rank, is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from avmm.engine.checkpoint import (
    checkpoint_candidates,
    load_checkpoint,
    load_state_dict,
    plain,
    save_checkpoint,
    write_atomically,
)
from avmm.engine.distributed import AVDistributedDataParallel, init_distributed
from avmm.engine.logging import AVMessageHub, LogProcessor
from avmm.engine.rng import gather_rng_states
from avmm.engine.signals import StopSignals, init_worker
from avmm.registry import RUNNERS
from avmm.utils import CheckpointError, ConfigError
from avmm.version import __version__

__all__ = ['AVRunner']


@RUNNERS.register_module()
class AVRunner(Runner):
    """mmengine's runner with safe checkpoints, exact resume, and an orderly end.

    * Checkpoints hold plain data and load with ``weights_only=True``; they are whole or absent. Besides weights,
      optimiser and schedules they keep the place of the loop, the bounded log history and the random state of every
      rank; hooks add theirs in ``before_save_checkpoint``.
    * ``resume`` goes on inside an epoch, bit for bit on CPU, and reads no data to get there.
    * SIGTERM and Ctrl-C let the iteration finish, save, and end the process with status 143 or 130.

    Args:
        model: The model or its config.
        work_dir: Folder of checkpoints and logs.
        *args: Further arguments of ``mmengine.runner.Runner``.
        trust_checkpoint: Whether checkpoints may hold arbitrary objects, and so run code while they load.
        **kwargs: Arguments of ``mmengine.runner.Runner``.

    Raises:
        ConfigError: If the work directory cannot be written.
    """

    def __init__(self, model: nn.Module | dict, work_dir: str, *args, trust_checkpoint: bool = False, **kwargs):
        self.trust_checkpoint = trust_checkpoint
        self._resume_source: tuple[str, dict] | None = None
        self._signals = StopSignals()
        self._stages: dict[str, list[Callable]] = {}
        _check_work_dir(work_dir)
        super().__init__(model, work_dir, *args, **kwargs)

    @classmethod
    def from_cfg(cls, cfg) -> AVRunner:
        """Build a runner from a config; the key ``trust_checkpoint`` is read too."""
        runner = super().from_cfg(cfg)
        runner.trust_checkpoint = bool(cfg.get('trust_checkpoint', False))
        return runner

    # ---------------------------------------------------------------- parts

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes and ranks; without a GPU the ranks talk over gloo."""
        if self.distributed and not is_distributed():
            options = dict(env_cfg.get('dist_cfg') or {})
            init_distributed(self.launcher, **options)
        super().setup_env(env_cfg)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """A log whose console shows lines; the config and other long texts go to the file alone."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda r: r.levelno > logging.INFO or '\n' not in r.getMessage().rstrip('\n'))
        return logger

    def build_message_hub(self, message_hub: dict | None = None) -> AVMessageHub:
        """A message hub of this run alone, whose cost does not grow."""
        return AVMessageHub.create(self._experiment_name)

    def build_log_processor(self, log_processor: dict) -> LogProcessor:
        """The log processor of AVMM, unless the config names another."""
        if isinstance(log_processor, dict):
            log_processor = dict(log_processor)
            log_processor.setdefault('type', LogProcessor)
        return super().build_log_processor(log_processor)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap a model for several ranks with :class:`AVDistributedDataParallel`, unless the config names another."""
        if self.distributed and not is_model_wrapper(model):
            model_wrapper_cfg = dict(model_wrapper_cfg or {})
            if 'type' not in model_wrapper_cfg:
                model_wrapper_cfg['type'] = 'AVDistributedDataParallel'
                model_wrapper_cfg.setdefault('find_unused_parameters', self.cfg.get('find_unused_parameters', False))
        return super().wrap_model(model_wrapper_cfg, model)

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """Build a data loader that draws from a generator of its own and stacks batches with ``av_collate``.

        Args:
            dataloader: A loader, returned as it is, or its config.
            seed: Seed of the sampler, of the workers and of the loader.
            diff_rank_seed: Whether the sampler chooses its own seed.
        """
        if isinstance(dataloader, DataLoader):
            return dataloader
        from avmm.datasets.collate import av_collate
        cfg = copy.copy(dataloader)
        cfg.setdefault('collate_fn', dict(type=av_collate))
        if cfg.get('pin_memory') and not torch.accelerator.is_available():
            # torch would warn of it whenever a loader starts.
            cfg['pin_memory'] = False
        own_init = 'worker_init_fn' not in cfg
        loader = Runner.build_dataloader(cfg, seed=seed, diff_rank_seed=diff_rank_seed)
        if seed is not None:
            loader.generator = torch.Generator().manual_seed(seed)
            if own_init:
                loader.worker_init_fn = functools.partial(init_worker, num_workers=loader.num_workers,
                                                          rank=get_rank(), seed=seed)
        return loader

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """Register the default hooks of mmengine and the report about the data."""
        hooks = {'data_report': dict(type='DataReportHook'), **(hooks or {})}
        # None takes a hook out; mmengine does that for its own alone.
        of_mmengine = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
        super().register_default_hooks({k: v for k, v in hooks.items() if v is not None or k in of_mmengine})

    def register_hook(self, hook: Hook | dict, priority=None) -> None:
        """Add a hook at its priority."""
        super().register_hook(hook, priority)
        self._stages.clear()

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """Call the hooks that do something at ``fn_name``."""
        calls = self._stages.get(fn_name)
        if calls is None:
            calls = self._stages[fn_name] = [
                getattr(hook, fn_name) for hook in self._hooks
                if hasattr(hook, fn_name) and (fn_name not in Hook.stages or _acts(hook, fn_name))
            ]
        for call in calls:
            call(self, **kwargs)

    # ---------------------------------------------------------------- running

    def train(self) -> nn.Module:
        """Train, from the start or from where a checkpoint left off."""
        self._find_resume_source()
        with self._signals:
            return super().train()

    @property
    def stop_signal(self) -> signal.Signals | None:
        """The signal that asks all ranks to stop now; the ranks agree on it once an iteration."""
        received = self._signals.received
        if isinstance(self.model, AVDistributedDataParallel):
            self.model.stop_requested = received is not None
            if not self.model.stop_agreed:
                return None
            received = received or signal.SIGTERM
        elif self.world_size > 1:
            # Another wrapper, such as FSDP, has no step in which the ranks could agree on the way.
            flag = torch.tensor([received or 0], device=get_device())
            all_reduce(flag, op='max')
            received = int(flag) or None
        return None if received is None else signal.Signals(received)

    def announce(self, line: str) -> None:
        """Say one line to the user, on the first rank."""
        if is_main_process():
            self.logger.info(line)
            self.visualizer.close()
            print(line, file=sys.stderr, flush=True)

    # ---------------------------------------------------------------- saving

    def save_last(self, epoch: int, iteration: int, consumed: int) -> str:
        """Save ``iter_N.pth`` as the checkpoint to resume from, and return its name.

        Args:
            epoch: Complete epochs.
            iteration: Complete iterations.
            consumed: Batches of the current epoch that are done.
        """
        name = f'iter_{iteration}.pth'
        out_dir = next((h.out_dir for h in self._hooks if getattr(h, 'out_dir', None) and hasattr(h, 'save_best')),
                       self.work_dir)
        self.save_checkpoint(out_dir, name, meta=dict(epoch=epoch, iter=iteration), by_epoch=False, consumed=consumed)
        self.write_last_checkpoint(os.path.join(out_dir, name))
        return name

    def write_last_checkpoint(self, path: str) -> None:
        """Note in ``last_checkpoint`` where to resume."""
        if is_main_process():
            with write_atomically(Path(self.work_dir, 'last_checkpoint')) as file:
                file.write(str(path).encode())

    def save_checkpoint(self, out_dir: str, filename: str, file_client_args: dict | None = None,
                        save_optimizer: bool = True, save_param_scheduler: bool = True, meta: dict | None = None,
                        by_epoch: bool = True, backend_args: dict | None = None, consumed: int | None = None) -> None:
        """Save a checkpoint. Every rank must call it: each has random states of its own.

        Args:
            out_dir: Folder.
            filename: Name of the file.
            file_client_args: Not used; files are local.
            save_optimizer: Whether the optimiser, the random states and the place of the loop are saved.
            save_param_scheduler: Whether the schedules are saved.
            meta: More entries of ``meta``.
            by_epoch: Whether an epoch, or an iteration, has just been completed.
            backend_args: Not used; files are local.
            consumed: Batches of the epoch that are done; the loop knows it by default.

        Raises:
            CheckpointError: On every rank, if the file cannot be written.
        """
        meta = dict(meta or {})
        meta.setdefault('epoch', self.epoch + 1 if by_epoch else self.epoch)
        meta.setdefault('iter', self.iter if by_epoch else self.iter + 1)
        meta.update(cfg=self._cfg_text, seed=self.seed, experiment_name=self.experiment_name,
                    time=time.strftime('%Y%m%d_%H%M%S'), mmengine_version=mmengine.__version__,
                    avmm_version=__version__)
        if hasattr(self.train_dataloader.dataset, 'metainfo'):
            meta['dataset_meta'] = self.train_dataloader.dataset.metainfo
        checkpoint = dict(meta=plain(meta, 'meta', drop=True),
                          state_dict=plain(self._bare_model.state_dict(), 'state_dict'),
                          message_hub=self.message_hub.state_dict())
        if save_optimizer:
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
            self._average_grads(checkpoint['optimizer'].get('grads', {}))
            checkpoint['rng'] = gather_rng_states()
            if hasattr(self.train_loop, 'consumed'):
                consumed = self.train_loop.consumed if consumed is None else consumed
                checkpoint['loop'] = self.train_loop.state_dict(meta['epoch'], meta['iter'], consumed)
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = _schedulers_state(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        failure = None
        if is_main_process():
            try:
                os.makedirs(out_dir, exist_ok=True)
                save_checkpoint(checkpoint, os.path.join(out_dir, filename))
            except (CheckpointError, OSError) as error:
                failure = error if isinstance(error, CheckpointError) else \
                    CheckpointError(f'{out_dir}: {error.strerror}; choose another work directory')
        message = [None if failure is None else str(failure)]
        broadcast_object_list(message)
        if message[0] is not None:
            raise failure or CheckpointError(message[0])

    def _average_grads(self, grads: dict) -> None:
        """Half-accumulated gradients differ between ranks; their mean leads to the same update."""
        if self.world_size > 1:
            for i in sorted(grads):
                grads[i] = grads[i].clone()
                all_reduce(grads[i], op='mean')

    @functools.cached_property
    def _cfg_text(self) -> str:
        """The config as text; laying it out takes longer than writing a small checkpoint."""
        return self.cfg.pretty_text

    @property
    def _bare_model(self) -> nn.Module:
        return self.model.module if is_model_wrapper(self.model) else self.model

    # ---------------------------------------------------------------- loading

    def _find_resume_source(self) -> None:
        """Read the checkpoint to resume from, before the loops are built: its seed decides the order of the data."""
        if not self._resume or self._has_loaded or self._resume_source:
            return
        if self._load_from is not None:
            self._resume_source = self._load_from, self._read(self._load_from)
        else:
            self._resume_source = self._newest_whole_checkpoint()
        if self._resume_source is None:
            self.logger.info(f'no checkpoint to resume from in {self.work_dir}: the run starts from the beginning')
            self._resume = False
            return
        seed = self._resume_source[1].get('meta', {}).get('seed')
        if seed is not None and seed != self.seed:
            if self._randomness_cfg.get('seed') is not None:
                self.logger.warning(f'the checkpoint was trained with seed {seed}: that of the config, '
                                    f'{self._randomness_cfg["seed"]}, is not used')
            self._randomness_cfg = dict(self._randomness_cfg, seed=seed)
            self.set_randomness(**self._randomness_cfg)

    def _newest_whole_checkpoint(self) -> tuple[str, dict] | None:
        for path in checkpoint_candidates(self.work_dir):
            try:
                content = self._read(path)
            except CheckpointError as error:
                self.logger.warning(f'not resumed from it: {error}')
                continue
            if 'optimizer' in content and 'iter' in content.get('meta', {}):
                return str(path), content
        return None

    def _read(self, filename: str | os.PathLike, map_location='cpu') -> dict:
        return load_checkpoint(filename, map_location, trust=self.trust_checkpoint)

    def load_or_resume(self) -> None:
        """Load or resume what the config asks for, once."""
        if self._has_loaded:
            return
        if self._resume:
            # ``val`` and ``test`` resume without having looked before.
            self._find_resume_source()
        if self._resume_source is not None:
            self.resume(self._resume_source[0])
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from)
        self._has_loaded = True

    def load_checkpoint(self, filename: str, map_location: str | Callable = 'cpu', strict: bool = True,
                        revise_keys: list | None = None) -> dict:
        """Load the weights of a checkpoint.

        Args:
            filename: A file, or an ``http(s)`` address.
            map_location: As in ``torch.load``.
            strict: Whether names that are missing or unexpected are an error.
            revise_keys: ``[(pattern, replacement), ...]`` applied to the names of the weights.

        Raises:
            CheckpointError: If the file is absent, torn, unsafe, or of another model.
        """
        if self._resume_source is not None and self._resume_source[0] == filename:
            checkpoint = self._resume_source[1]
            self._resume_source = None
        else:
            checkpoint = self._read(filename, map_location)
        if 'state_dict' not in checkpoint:
            checkpoint = dict(state_dict=checkpoint)
        # Of another model: said before a hook meets its weights.
        self._load_weights(checkpoint['state_dict'], filename, strict, revise_keys)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        # A hook such as EMA exchanges weights in the checkpoint.
        self._load_weights(checkpoint['state_dict'], filename, strict, revise_keys)
        self._has_loaded = True
        self.logger.info(f'loaded {filename}')
        return checkpoint

    def _load_weights(self, state: dict, filename: str, strict: bool, revise_keys: list | None) -> None:
        if revise_keys:
            import re
            for pattern, replacement in revise_keys:
                state = {re.sub(pattern, replacement, k): v for k, v in state.items()}
        load_state_dict(self._bare_model, state, filename, strict)

    def resume(self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True,
               map_location: str | Callable = 'default') -> None:
        """Go on exactly where ``filename`` was written.

        Args:
            filename: The checkpoint.
            resume_optimizer: Whether the optimiser goes on too.
            resume_param_scheduler: Whether the schedules go on too.
            map_location: As in ``torch.load``; ``'default'`` is the device of the run.

        Raises:
            CheckpointError: If the checkpoint does not fit, or keeps weights alone.
        """
        checkpoint = self.load_checkpoint(filename, get_device() if map_location == 'default' else map_location)
        meta = checkpoint.get('meta', {})
        if not {'epoch', 'iter'} <= set(meta):
            raise CheckpointError(f'{filename} keeps weights alone: there is nothing to resume; name it in load_from')
        self.train_loop._epoch, self.train_loop._iter = meta['epoch'], meta['iter']
        rng = checkpoint.get('rng', [])
        if hasattr(self.train_loop, 'load_state_dict') and 'loop' in checkpoint:
            self.train_loop.load_state_dict(checkpoint['loop'], rng[self.rank] if self.rank < len(rng) else None)
        now = plain(getattr(self.train_dataloader.dataset, 'metainfo', None), drop=True)
        if 'dataset_meta' in meta and repr(meta['dataset_meta']) != repr(now):
            self.logger.warning(f'{filename} was trained on data with other classes or properties than these')
        if 'message_hub' in checkpoint:
            self.message_hub.load_state_dict(checkpoint['message_hub'])
        if resume_optimizer and 'optimizer' in checkpoint:
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
        if resume_param_scheduler and 'param_schedulers' in checkpoint and self.param_schedulers is not None:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
            _load_schedulers(self.param_schedulers, checkpoint['param_schedulers'])
        self.logger.info(f'resumed {filename} at epoch {self.epoch}, iteration {self.iter}')


def _acts(hook: Hook, stage: str) -> bool:
    """Whether a hook does anything at a stage; most inherit most stages as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return stage in hook.get_triggered_stages() or stage in vars(hook)


def _check_work_dir(work_dir: str | os.PathLike) -> None:
    try:
        os.makedirs(work_dir, exist_ok=True)
        with tempfile.TemporaryFile(dir=work_dir):
            pass
    except OSError as error:
        raise ConfigError(f'the work directory {work_dir} cannot be written ({error.strerror}); '
                          'choose another with --work-dir') from error


def _schedulers_state(schedulers: list | dict) -> list | dict:
    if isinstance(schedulers, dict):
        return {name: _schedulers_state(own) for name, own in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def _load_schedulers(schedulers: list | dict, states: list | dict) -> None:
    if isinstance(schedulers, dict):
        for name, own in schedulers.items():
            _load_schedulers(own, states[name])
        return
    if len(schedulers) != len(states):
        raise CheckpointError(f'the checkpoint has {len(states)} parameter schedules, the config {len(schedulers)}; '
                              'resume with the config that it was trained with')
    for scheduler, state in zip(schedulers, states, strict=True):
        # A Counter of milestones was saved as the dict that it is.
        kinds = {k: type(v) for k, v in vars(scheduler).items() if isinstance(v, dict)}
        scheduler.load_state_dict({k: kinds[k](v) if k in kinds else v for k, v in state.items()})
