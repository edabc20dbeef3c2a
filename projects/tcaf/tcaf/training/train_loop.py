"""Both stages of zero-shot training and the evaluation, in one loop."""
from __future__ import annotations

import copy
import json
from pathlib import Path

from mmengine.dist import is_main_process
from torch import nn

from avmm.engine.checkpoint import load_checkpoint, load_state_dict, write_atomically
from avmm.engine.loops import EpochTrainLoop
from avmm.registry import LOOPS
from avmm.utils import CheckpointError, ConfigError
from projects.tcaf.tcaf.training.records import StageRecord
from projects.tcaf.tcaf.training.restart import bare_model, restart

STAGES = ('1', '2', 'all', 'eval')


@LOOPS.register_module()
class ZeroShotTrainLoop(EpochTrainLoop):
    """Stage 1 finds out how long to train and how to calibrate, stage 2 trains on everything, then comes the test.

    The protocol of "Temporal and cross-modal attention for audio-visual zero-shot learning" (ECCV 2022) and
    "Audio-visual generalised zero-shot learning with cross-modal attention and language" (CVPR 2022):

    1. Train on the training split. After each epoch, the validation split, of which some classes are unseen, gives the
       harmonic mean and the constant of calibration. The best epoch and its constant are kept.
    2. Begin anew, with the seed, weights, optimiser and schedule of stage 1, on training and validation split
       together. Validation goes on; its classes are trained on now, so what follows it (the schedule, best files) is
       driven by data that are not held out, as published. ``stage2_lr='replay'`` takes the learning rates of stage 1
       instead.
    3. Test the weights of stage 2 after as many epochs as stage 1 took to its best one, with the constant of stage 1.

    An epoch is: training, validation with its loss, schedule, checkpoint. Checkpoints hold the stage, the records of
    both stages and the constant to test with (see :class:`ZeroShotHook`): a run resumes in the middle of any stage,
    and ``tools/test.py`` needs one file. Epochs count within their stage, iterations over both.

    Args:
        runner: The runner.
        dataloader: Data loader of stage 1, or its config.
        max_epochs: Epochs of stage 1, and those of stage 2 where ``stage2_epochs`` says so.
        stage: ``'all'``, ``'1'`` or ``'2'`` alone, or ``'eval'``: test what the work directory holds.
        stage2_dataset: Arguments of the training data set that differ in stage 2.
        stage2_epochs: ``'best'``: as many as stage 1 took to its best epoch. ``'all'``: ``max_epochs``; tested is the
            same epoch. A number.
        stage2_lr: ``'schedule'``: the schedules of the config. ``'replay'``: in each epoch the rates of stage 1.
        stage1_checkpoint: For ``stage='2'``: a checkpoint of stage 1, whose best epoch and constant are taken.
        evaluate: Whether the test follows stage 2 in ``stage='all'``.
        monitor: Metric of the validation that decides which epoch is best; more is better.
        val_begin: First epoch after which to validate.
        val_interval: Epochs between two validations; the last epoch is followed by one in any case.

    Raises:
        ConfigError: If an option has no such value.
    """

    def __init__(self, runner, dataloader, max_epochs: int, stage: str = 'all', stage2_dataset: dict | None = None,
                 stage2_epochs: str | int = 'best', stage2_lr: str = 'schedule', stage1_checkpoint: str | None = None,
                 evaluate: bool = True, monitor: str = 'gzsl/hm', val_begin: int = 1, val_interval: int = 1):
        if str(stage) not in STAGES:
            raise ConfigError(f'train_cfg.stage must be one of {", ".join(STAGES)}, got {stage!r}')
        if stage2_epochs not in ('best', 'all') and not isinstance(stage2_epochs, int):
            raise ConfigError(f"train_cfg.stage2_epochs is 'best', 'all' or a number, got {stage2_epochs!r}")
        if stage2_lr not in ('schedule', 'replay'):
            raise ConfigError(f"train_cfg.stage2_lr is 'schedule' or 'replay', got {stage2_lr!r}")
        self.plan, self.stage2_epochs, self.stage2_lr = str(stage), stage2_epochs, stage2_lr
        self.stage2_dataset = dict(stage2_dataset or dict(split='train_val'))
        self.stage1_checkpoint, self.evaluate, self.monitor = stage1_checkpoint, evaluate, monitor
        #: The stage that runs, 1 or 2.
        self.stage = 2 if self.plan == '2' else 1
        self.records = {1: StageRecord(), 2: StageRecord()}
        #: What the newest validation was best in; the checkpoint hook reads it.
        self.improved: set[str] = set()
        self._first_iter = 0
        self._stage1_epochs = int(max_epochs)
        if self.plan == '2':
            dataloader = self._stage2_loader(dataloader)
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval)
        if self.plan == '2':
            self._take_stage1()

    # Running ---------------------------------------------------------------------------------------------------------

    def run(self) -> nn.Module:
        """Run what ``stage`` asks for, or what is left of it."""
        runner = self.runner
        runner.call_hook('before_train')
        if self.plan != 'eval':
            self._begin_stage()
            self._validate_if_pending()
            self._run_stage()
            if self.stage == 1 and self.plan == 'all':
                self._enter_stage2()
                self._run_stage()
        runner.call_hook('after_train')
        if self.plan == 'eval' or (self.plan == 'all' and self.evaluate and runner._test_loop is not None):
            self._test()
        return runner.model

    def _run_stage(self) -> None:
        while self._epoch < self._max_epochs and not self.stop_training:
            self._set_rates()
            self.run_epoch()
            self._decide_current_val_interval()
            if self.validation_due(self._epoch, self._iter, self.consumed):
                self.validate()
            else:
                self.improved = set()
                self.runner.call_hook('after_stage_epoch')

    def validate(self) -> None:
        """Validate, note what is best, and save; training mode comes back after it."""
        self._validation_pending = False
        self._validated_at = self._iter
        metrics = self.runner.val_loop.run()
        self.runner.model.train()
        self.improved = self.record.note(self._epoch, metrics, self.monitor)
        self.runner.call_hook('after_stage_epoch')
        if self.runner.stop_signal is not None:
            self._stop_at_signal()

    def _begin_stage(self) -> None:
        """Tell those who count where this stage begins and ends."""
        runner = self.runner
        self._max_iters = self._first_iter + self._max_epochs * len(self.dataloader)
        runner.message_hub.update_info('max_epochs', self._max_epochs)
        runner.message_hub.update_info('max_iters', self._max_iters)
        # Accumulated updates do not reach over from stage 1.
        runner.optim_wrapper.initialize_count_status(runner.model, self._iter - self._first_iter,
                                                     self._max_iters - self._first_iter)
        runner.logger.info(f'stage {self.stage}: {self._max_epochs} epochs of {len(self.dataloader)} iterations, '
                           f'{len(self.dataloader.dataset)} clips')

    def _set_rates(self) -> None:
        """Note the learning rates of the epoch, or replay those of stage 1."""
        groups = self.runner.optim_wrapper.param_groups
        replayed = self.records[1].learning_rates
        if self.stage == 2 and self.stage2_lr == 'replay' and replayed:
            for group, rate in zip(groups, replayed[min(self._epoch, len(replayed) - 1)], strict=True):
                group['lr'] = rate
        del self.record.learning_rates[self._epoch:]
        self.record.learning_rates.append([float(group['lr']) for group in groups])

    @property
    def record(self) -> StageRecord:
        """The record of the stage that runs."""
        return self.records[self.stage]

    # From stage to stage ---------------------------------------------------------------------------------------------

    def _stage2_loader(self, dataloader: dict) -> dict:
        if not isinstance(dataloader, dict):
            raise ConfigError('stage 2 trains on other data; give train_dataloader as a config')
        dataloader = copy.deepcopy(dataloader)
        dataloader['dataset'].update(self.stage2_dataset)
        return dataloader

    def _use_stage2_data(self) -> None:
        """Exchange the data loader; the workers of the old one end with it."""
        runner = self.runner
        cfg = self._stage2_loader(runner.cfg.train_dataloader)
        self.dataloader = runner.build_dataloader(
            cfg, seed=runner.seed, diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False))
        runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self._max_epochs = self._epochs_of_stage2()

    def _epochs_of_stage2(self) -> int:
        if self.stage2_epochs == 'best':
            return self.records[1].best_epoch or self._stage1_epochs
        return self._stage1_epochs if self.stage2_epochs == 'all' else self.stage2_epochs

    def _enter_stage2(self) -> None:
        first = self.records[1]
        if self.stage2_epochs == 'best' and not first.best_epoch:
            raise ConfigError('stage 1 ended without a validation, so that no epoch is its best; validate, or set '
                              "train_cfg.stage2_epochs='all'")
        restart(self.runner)
        self.stage, self.records[2] = 2, StageRecord()
        self._epoch, self.consumed, self.resumed_in_epoch, self.stop_training = 0, 0, False, False
        self._first_iter, self._validated_at, self._rng_state = self._iter, -1, None
        self._use_stage2_data()
        self._begin_stage()

    def _take_stage1(self) -> None:
        if self.stage1_checkpoint is not None:
            state = zero_shot_state(load_checkpoint(self.stage1_checkpoint), self.stage1_checkpoint)
            self.records[1] = StageRecord.from_state(state['records'][1])
        self._max_epochs = self._epochs_of_stage2()

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def state_dict(self, epoch: int, iteration: int, consumed: int) -> dict:
        """Place of the loop, with the stage and the records."""
        return dict(super().state_dict(epoch, iteration, consumed), stage=self.stage, first_iter=self._first_iter,
                    records=self.records_state())

    def records_state(self) -> dict[int, dict]:
        """Both records as plain numbers."""
        return {stage: record.state_dict() for stage, record in self.records.items()}

    def load_state_dict(self, state: dict, rng_state: dict | None) -> None:
        """Go to the place of :meth:`state_dict`, on the data of its stage.

        Raises:
            CheckpointError: If the checkpoint is of a stage that this run does not have.
        """
        stage = state.get('stage')
        if stage is None or (self.plan in '12' and self.plan != str(stage)):
            raise CheckpointError(f'the checkpoint is of stage {stage}, and train_cfg.stage is {self.plan!r}; resume '
                                  "with stage='all', or start in another work directory")
        self.records = {int(k): StageRecord.from_state(v) for k, v in state['records'].items()}
        if stage == 2 and self.stage == 1:
            self._use_stage2_data()
        self.stage, self._first_iter = stage, state['first_iter']
        super().load_state_dict(state, rng_state)

    # Test ------------------------------------------------------------------------------------------------------------

    def _test(self) -> None:
        """Test the weights of stage 2 that stage 1 chose; write the outcome of the run to ``zero_shot.json``."""
        path, state = self._tested_checkpoint()
        runner = self.runner
        load_state_dict(bare_model(runner), load_checkpoint(path)['state_dict'], path)
        if hasattr(runner.test_loop, 'calibration'):
            runner.test_loop.calibration = state['beta']
        runner.logger.info(f'testing {path}')
        metrics = {k: float(v) for k, v in runner.test_loop.run().items() if isinstance(v, (int, float))}
        outcome = dict(best_epoch=state['best_epoch'], beta=state['beta'], val=state['records'][1]['metrics'],
                       test=metrics, checkpoint=path.name)
        if is_main_process():
            with write_atomically(Path(runner.work_dir, 'zero_shot.json')) as file:
                file.write(json.dumps(outcome, indent=1).encode())

    def _tested_checkpoint(self) -> tuple[Path, dict]:
        folder = next((Path(h.out_dir) for h in self.runner.hooks if hasattr(h, 'after_stage_epoch')
                       and getattr(h, 'out_dir', None)), Path(self.runner.work_dir))
        saved = {int(p.stem.rpartition('_')[2]): p for p in folder.glob('stage2_epoch_*.pth')}
        if not saved:
            raise CheckpointError(f'{folder}: there is no stage2_epoch_N.pth to test; run stage 2 first')
        state = zero_shot_state(load_checkpoint(saved[max(saved)]), saved[max(saved)])
        chosen = state['records'][1]['best_epoch'] or max(saved)
        if chosen not in saved:
            raise CheckpointError(f'{folder}: stage 1 was best after epoch {chosen}, and there is no '
                                  f'stage2_epoch_{chosen}.pth; stage 2 has to train that long and keep that file')
        return saved[chosen], state


def zero_shot_state(checkpoint: dict, path) -> dict:
    """What a checkpoint of :class:`ZeroShotTrainLoop` says about its stage.

    Raises:
        CheckpointError: If it is another one.
    """
    if 'zero_shot' not in checkpoint:
        raise CheckpointError(f'{path} says nothing about the stages of zero-shot training; was it made by '
                              'ZeroShotTrainLoop?')
    return checkpoint['zero_shot']
