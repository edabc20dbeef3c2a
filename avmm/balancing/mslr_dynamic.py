"""Modality-specific learning rates that follow the validation."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from avmm.balancing.base import BalancingHook
from avmm.balancing.parameters import NamedParameters, select_parameters
from avmm.models.base import AVModel
from avmm.registry import HOOKS
from avmm.utils import ConfigError


@HOOKS.register_module()
class MSLRDynamic(BalancingHook):
    """Scale the gradients of each branch by a factor that grows with the validation accuracy of its modality.

    "Modality-specific Learning Rates for Effective Multimodal Additive Late-fusion" (Findings of ACL 2022), its
    dynamic strategy, in the form of the released code of inverse-effectiveness fusion::

        g <- c_m * r_m * g          for all parameters of branch m and of its head
        r_m = A_m / mean(A_m of the last five validations)

    ``r_m`` is 1 until five accuracies are known, and is used from the epoch after its validation on. Under SGD this
    is a learning rate, except that weight decay is not scaled.

    The accuracy of a head that no loss trains is that of chance, and so is its ratio: train the heads
    (``InverseEffectiveness``, ``UnimodalLoss``) or let the model predict with ``unimodal_scores='split'``.

    Args:
        factors: Constant factors ``{modality: c_m}``; a modality that is not named has 1.
        memory: Number of validations in the mean.
        metric: Key of the accuracy in the metrics of a validation, with ``{modality}`` in it.
        starts: First epoch with scaled gradients, counted from 0.
        ends: Last epoch with them, itself included; None for all.
        **options: ``params``, ``name`` and ``log_prefix`` of :class:`BalancingHook`.

    Example:
        >>> custom_hooks = [dict(type='MSLRDynamic', factors=dict(audio=0.9, visual=1.1))]
    """

    def __init__(self, factors: Mapping[str, float] | None = None, memory: int = 5,
                 metric: str = 'accuracy/{modality}', starts: int = 0, ends: int | None = 50, **options):
        super().__init__(starts, ends, **options)
        self.factors = dict(factors if factors is not None else dict(audio=0.9, visual=1.1))
        if memory < 1 or any(c < 0 for c in self.factors.values()):
            raise ConfigError(f'{self.name}: memory={memory} has to be 1 or more, '
                              f'and factors={self.factors} 0 or more')
        if '{modality}' not in metric:
            raise ConfigError(f"{self.name}.metric is {metric!r}; it needs {{modality}}, "
                              "as in 'accuracy/{modality}'")
        self.memory, self.metric = memory, metric
        self.ratios: dict[str, float] = {}
        self._memories: dict[str, list[float]] = {}
        self._on_device: dict[str, Tensor] = {}

    def update_ratios(self, accuracies: Mapping[str, float]) -> dict[str, float]:
        """Take the accuracies of one validation; returns the ratios from now on, ``{modality: r_m}``."""
        for m, accuracy in accuracies.items():
            known = self._memories.setdefault(m, [])
            if len(known) == self.memory:
                mean = sum(known) / self.memory
                # Nothing has been learned at an accuracy of zero that could set a pace.
                self.ratios[m] = accuracy / mean if mean else 1.0
                known.pop(0)
            known.append(float(accuracy))
        self._on_device = {}
        return {m: self.ratios.get(m, 1.0) for m in accuracies}

    def coefficients(self, scores: None) -> dict[str, Tensor]:
        """``{modality: c_m * r_m}``."""
        for key, parameters in self._targets.items():
            if key not in self._on_device:
                value = self.factors.get(key, 1.0) * self.ratios.get(key, 1.0)
                self._on_device[key] = torch.full((), value, device=parameters[0][1].device)
        return self._on_device

    def targets(self, model: AVModel) -> dict[str, NamedParameters]:
        """The parameters of each branch, and of the head of its modality."""
        unknown = [m for m in self.factors if m not in model.modalities]
        if unknown:
            raise ConfigError(f'{self.name}.factors names {unknown}; {type(model).__name__} has the modalities '
                              f'{list(model.modalities)}')
        heads = {m: model.unimodal_head(m) for m in model.modalities}
        return {m: chosen + ([] if heads[m] is None else select_parameters(model, heads[m], **self.params))
                for m, chosen in super().targets(model).items()}

    def before_train(self, runner) -> None:
        """Refuse a run without validation."""
        if runner.val_loop is None:
            raise ConfigError(f'{self.name} follows the accuracies of the validation, and this run has none; add '
                              'val_dataloader, val_evaluator and val_cfg, or use constant rates (MSLRConstructor)')
        super().before_train(runner)

    def after_val_epoch(self, runner, metrics: Mapping[str, float] | None = None) -> None:
        """Update the ratios."""
        if self.model is None:
            return
        keys = {m: self.metric.format(modality=m) for m in self.model.modalities}
        absent = [key for key in keys.values() if key not in (metrics or {})]
        if absent:
            raise ConfigError(f'{self.name}: the validation gives no {" and no ".join(absent)}, only '
                              f'{", ".join(metrics or {}) or "nothing"}; '
                              'add dict(type="AVAccuracy") to val_evaluator, or set metric')
        self.update_ratios({m: float(metrics[key]) for m, key in keys.items()})

    def state_dict(self) -> dict:
        """Ratios and remembered accuracies."""
        return dict(ratios=dict(self.ratios), memories={m: list(known) for m, known in self._memories.items()})

    def load_state_dict(self, state: dict) -> None:
        """Take them back."""
        self.ratios = {m: float(r) for m, r in state['ratios'].items()}
        self._memories = {m: [float(a) for a in known] for m, known in state['memories'].items()}
        self._on_device = {}
