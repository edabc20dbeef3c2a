"""Validation with a loss."""
from __future__ import annotations

import copy

import torch
from mmengine.dist import all_reduce
from mmengine.runner import Runner, ValLoop
from mmengine.runner.amp import autocast
from torch import Tensor
from torch.utils.data import DataLoader

from avmm.models.base import Step
from avmm.registry import LOOPS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.training.restart import bare_model
from projects.tcaf.tcaf.training.zero_shot_hook import use_classes


@LOOPS.register_module()
class ZeroShotValLoop(ValLoop):
    """Evaluation on the whole split, and the loss of the model in evaluation mode.

    The means of the loss and of its terms join the metrics, the same on every rank: ``val_loss`` and, as the model
    names them, ``val_loss_reg`` and so on.

    Args:
        runner: The runner.
        dataloader: Data loader of the evaluation, or its config.
        evaluator: Metrics, or their configs.
        fp16: Whether to evaluate in half precision.
        loss: ``'balanced'``: the loss of as many random batches as a training epoch has, drawn by the sampler of the
            training data from the data of the validation, as published. ``'full'``: the loss of the batches that are
            evaluated, which costs no further data. None: no loss.
        loss_dataset: Arguments in which the data set of ``'balanced'`` differs from that of the evaluation, such as
            ``dict(negatives=True)``.
        stage2_loss_dataset: Those of stage 2; as ``loss_dataset`` by default.

    Raises:
        ConfigError: If ``loss`` is something else, or configs are missing that it is made from.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, evaluator, fp16: bool = False,
                 loss: str | None = 'balanced', loss_dataset: dict | None = None,
                 stage2_loss_dataset: dict | None = None):
        if loss not in ('balanced', 'full', None):
            raise ConfigError(f"val_cfg.loss is 'balanced', 'full' or None, got {loss!r}")
        super().__init__(runner, dataloader, evaluator, fp16)
        self.loss = loss
        first = dict(loss_dataset or {})
        self.loss_datasets = {1: first, 2: first if stage2_loss_dataset is None else dict(stage2_loss_dataset)}
        self._loader: tuple[int, DataLoader] | None = None
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def run(self) -> dict[str, float]:
        """Loss, predictions, metrics."""
        runner = self.runner
        runner.call_hook('before_val')
        runner.call_hook('before_val_epoch')
        runner.model.eval()
        self._sums, self._count = {}, 0
        if self.loss == 'balanced':
            self._balanced_pass()
            use_classes(runner, self.dataloader.dataset)
        for idx, data_batch in enumerate(self.dataloader):
            self.run_iter(idx, data_batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        metrics.update(self._mean_losses())
        runner.call_hook('after_val_epoch', metrics=metrics)
        runner.call_hook('after_val')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Predict one batch, and take its loss if that is asked for."""
        super().run_iter(idx, data_batch)
        if self.loss == 'full':
            self._add_loss(data_batch)

    @torch.no_grad()
    def _balanced_pass(self) -> None:
        loader = self._loss_loader()
        use_classes(self.runner, loader.dataset)
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(self.runner.epoch)
        for data_batch in loader:
            self._add_loss(data_batch)

    def _add_loss(self, data_batch: dict) -> None:
        model = bare_model(self.runner)
        with autocast(enabled=self.fp16):
            losses = model(**model.data_preprocessor(data_batch, False), mode='loss')
        # What balancing methods read belongs to training.
        model.step = Step()
        count = len(data_batch['data_samples'])
        for name, value in model.parse_losses(losses)[1].items():
            self._sums[name] = self._sums.get(name, 0) + value.detach() * count
        self._count += count

    def _mean_losses(self) -> dict[str, float]:
        """``val_<name>``, means over the samples of all ranks; those that fill the last round count twice."""
        if not self._sums:
            return {}
        values = torch.stack([*self._sums.values()]).cpu().double()
        values = torch.cat([values, values.new_tensor([self._count])])
        # Ranks that disagreed on the least loss would not save the same files.
        all_reduce(values)
        return {f'val_{name}': float(value / values[-1]) for name, value in zip(self._sums, values, strict=False)}

    def _loss_loader(self) -> DataLoader:
        """The data of the loss, drawn as the training data are; made once a stage."""
        runner = self.runner
        stage = getattr(runner.train_loop, 'stage', 1)
        if self._loader is None or self._loader[0] != stage:
            cfg = runner.cfg
            if not isinstance(cfg.get('train_dataloader'), dict) or not isinstance(cfg.get('val_dataloader'), dict):
                raise ConfigError("val_cfg.loss='balanced' is drawn by the sampler of train_dataloader from the data "
                                  'of val_dataloader; give both as configs')
            loader = copy.deepcopy(cfg.val_dataloader)
            # One by one: an update of the whole would merge the options of two samplers.
            for key in ('batch_size', 'sampler', 'batch_sampler', 'drop_last'):
                if key in cfg.train_dataloader:
                    loader[key] = copy.deepcopy(cfg.train_dataloader[key])
            loader['dataset'].update(self.loss_datasets[stage])
            self._loader = stage, runner.build_dataloader(loader, seed=runner.seed)
        return self._loader[1]
