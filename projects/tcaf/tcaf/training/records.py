"""What a stage of zero-shot training remembers: its best epochs, their calibration, the learning rates."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from avmm.utils import ConfigError


@dataclass
class StageRecord:
    """The course of one stage.

    An epoch is best if it is the first, if the best value so far is 0, or if its own is strictly better: the rule of
    the published program, for which a best value of 0 is none at all.

    Attributes:
        best_epoch: Epoch of the best score, counted from 1; 0 before the first validation.
        best_score: Its score, such as the harmonic mean on the validation split.
        beta: Its constant of calibration for the test; None if the validation gives none.
        last_beta: That of the newest epoch.
        best_loss_epoch: Epoch of the least validation loss, counted from 1; 0 before there is one.
        best_loss: That loss.
        learning_rates: Rate of every parameter group in each epoch so far.
        metrics: What the validation of the best epoch gave.
    """
    best_epoch: int = 0
    best_score: float | None = None
    beta: float | None = None
    last_beta: float | None = None
    best_loss_epoch: int = 0
    best_loss: float | None = None
    learning_rates: list[list[float]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    def note(self, epoch: int, metrics: Mapping[str, float], monitor: str) -> set[str]:
        """Take the validation of an epoch.

        Args:
            epoch: The epoch, counted from 1.
            metrics: Values of the validation; ``'val_loss'`` among them is the loss.
            monitor: Name of the score, of which more is better, as ``'gzsl/hm'``; the constant is then
                ``'gzsl/test_beta'``.

        Returns:
            What is best so far: a subset of ``{'score', 'loss'}``.

        Raises:
            ConfigError: If the validation gives no such score.
        """
        if monitor not in metrics:
            raise ConfigError(f'monitor={monitor!r} is not a metric of the validation; it gave {", ".join(metrics)}')
        score, loss = float(metrics[monitor]), metrics.get('val_loss')
        self.last_beta = metrics.get(f'{monitor.rpartition("/")[0]}/test_beta')
        improved = set()
        if not self.best_score or score > self.best_score:
            improved.add('score')
            self.best_epoch, self.best_score, self.beta = epoch, score, self.last_beta
            self.metrics = {k: float(v) for k, v in metrics.items() if isinstance(v, (int, float))}
        if loss is not None and (not self.best_loss or loss < self.best_loss):
            improved.add('loss')
            self.best_loss_epoch, self.best_loss = epoch, float(loss)
        return improved

    def state_dict(self) -> dict:
        """Plain numbers."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping) -> StageRecord:
        """The record of :meth:`state_dict`."""
        return cls(**{k: dict(v) if isinstance(v, dict) else v for k, v in state.items()})
