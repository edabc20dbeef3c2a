"""The test of a zero-shot model, with a calibration that it did not choose itself."""
from __future__ import annotations

import copy

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop
from torch.utils.data import DataLoader

from avmm.engine.checkpoint import load_checkpoint, load_state_dict
from avmm.registry import LOOPS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.training.restart import bare_model
from projects.tcaf.tcaf.training.zero_shot_hook import use_classes


@LOOPS.register_module()
class ZeroShotTestLoop(TestLoop):
    """Evaluation with the constant of calibration that stage 1 chose on the validation split.

    The constant is, in this order: ``beta``; that of ``stage1``; that in the checkpoint of the tested weights. With

        test_cfg = dict(type='ZeroShotTestLoop', stage1='stage1_epoch_7.pth')

    two files of weights are tested as published: the first one chooses the constant on the validation split, the
    second one is tested with it. Weights that were converted from the official program carry no constant.

    Args:
        runner: The runner.
        dataloader: Data loader of the test, or its config.
        evaluator: Metrics, or their configs; those with an attribute ``beta`` get the constant.
        fp16: Whether to evaluate in half precision.
        beta: The constant.
        stage1: Checkpoint of stage 1; weights without a constant choose it on the validation split.
        val_dataset: Arguments in which the data set of the validation differs from that of the test;
            ``dict(split='val')`` by default.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, evaluator, fp16: bool = False,
                 beta: float | None = None, stage1: str | None = None, val_dataset: dict | None = None):
        super().__init__(runner, dataloader, evaluator, fp16)
        self.beta, self.stage1 = beta, stage1
        self.val_dataset = dict(val_dataset or dict(split='val'))
        #: The constant in the checkpoint of the tested weights.
        self.calibration: float | None = None

    def run(self) -> dict[str, float]:
        """Find the constant, and test with it.

        Raises:
            ConfigError: If there is none.
        """
        metrics = [m for m in self.evaluator.metrics if hasattr(m, 'beta')]
        if metrics:
            beta = self._find_beta()
            self.runner.logger.info(f'calibration of the test: beta = {beta:.6g}')
            for metric in metrics:
                metric.beta = beta
        return super().run()

    def _find_beta(self) -> float:
        if self.beta is not None:
            return float(self.beta)
        if self.stage1 is not None:
            checkpoint = load_checkpoint(self.stage1)
            beta = checkpoint.get('zero_shot', {}).get('beta')
            return self._choose_beta(checkpoint) if beta is None else beta
        if self.calibration is None:
            raise ConfigError('the checkpoint holds no constant of calibration, which stage 1 chooses on the '
                              'validation split; name a checkpoint of stage 1 with test_cfg.stage1=PATH, or give '
                              'test_cfg.beta')
        return self.calibration

    def _choose_beta(self, checkpoint: dict) -> float:
        """Evaluate the weights of stage 1 on the validation split; those that are tested come back after it."""
        runner, model = self.runner, bare_model(self.runner)
        tested = {name: value.detach().clone() for name, value in model.state_dict().items()}
        cfg = copy.deepcopy(runner.cfg.test_dataloader)
        cfg['dataset'].update(self.val_dataset)
        loader = runner.build_dataloader(cfg, seed=runner.seed)
        evaluator = runner.build_evaluator(copy.deepcopy(runner.cfg.test_evaluator))
        load_state_dict(model, checkpoint.get('state_dict', checkpoint), self.stage1)
        try:
            return choose_beta(runner, loader, evaluator)
        finally:
            model.load_state_dict(tested)


@torch.no_grad()
def choose_beta(runner: Runner, loader: DataLoader, evaluator: Evaluator) -> float:
    """The constant with which the model of a runner does best on the data of a loader.

    Raises:
        ConfigError: If no metric chooses one.
    """
    use_classes(runner, loader.dataset)
    runner.model.eval()
    evaluator.dataset_meta = loader.dataset.metainfo
    for batch in loader:
        evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
    metrics = evaluator.evaluate(len(loader.dataset))
    found = [value for name, value in metrics.items() if name.rpartition('/')[2] == 'test_beta']
    if not found:
        raise ConfigError('no metric of test_evaluator chooses a constant of calibration; take GZSLMetric without '
                          'beta')
    return float(found[0])
