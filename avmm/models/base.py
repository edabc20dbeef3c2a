"""The protocol of every two-branch model, through which balancing methods act."""
from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, NonFiniteLossError

Feats = dict[str, Tensor]


@dataclass
class Step:
    """What the current training iteration has computed; empty outside training.

    Attributes:
        feats: ``{modality: (B, ...)}`` with their graph, for losses that act on features.
        logits: Joint logits ``(B, C)`` with their graph; None in a step that has none.
        labels: Class indices ``(B,)``, or target scores ``(B, C)``.
        losses: The loss terms, ``{name: ()}``.
        data_samples: The samples of the batch.
    """
    feats: Feats = field(default_factory=dict)
    logits: Tensor | None = None
    labels: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    data_samples: list[AVDataSample] = field(default_factory=list)

    @property
    def sample_ids(self) -> list[str]:
        """Names of the samples of the batch."""
        return [s.get('sample_id', '?') for s in self.data_samples]

    def __bool__(self) -> bool:
        return bool(self.feats)


class AVModel(BaseModel):
    """Base of audio-visual models.

    A subclass implements :meth:`branch`, :meth:`extract_feat`, :meth:`fuse`, :meth:`unimodal_logits` and
    :meth:`forward`, and fills :attr:`step` in ``mode='loss'``. A balancing method then needs nothing else of it:

    * it scales gradients of :meth:`branch` from a step pre-hook of the optimiser,
    * it edits features with forward hooks on :meth:`branch` or on the fusion module,
    * it adds a term to the objective with :meth:`add_loss_term`, or weighs all terms with :meth:`add_loss_weighting`,
    * it replaces the whole update with :attr:`train_step_policy`.

    Args:
        modalities: Names of the branches, in the order in which they are fused.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation of mmengine.
    """

    #: Whether every training step computes joint logits; balancing hooks that need them refuse a model without.
    joint_step = True

    def __init__(self, modalities=('audio', 'visual'), data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        if isinstance(data_preprocessor, dict):
            # mmengine would look in its own registry, which knows ours only inside a default scope.
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.modalities = tuple(modalities)
        self.step = Step()
        self.train_step_policy: Callable[[AVModel, dict, OptimWrapper], dict[str, Tensor]] | None = None
        self._loss_terms: dict[str, Callable[[Step], Tensor]] = {}
        self._loss_weightings: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {}
        self._through: tuple[nn.Module | None] = (None, )

    @abstractmethod
    def branch(self, modality: str) -> nn.Module:
        """The module whose parameters belong to ``modality`` alone."""

    @abstractmethod
    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """Encode the inputs into ``{modality: (B, D)}``."""

    @abstractmethod
    def fuse(self, feats: Feats) -> Tensor:
        """Joint logits ``(B, C)`` of the features."""

    @abstractmethod
    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{modality: (B, C)}``, what each modality says alone; how depends on the fusion."""

    def unimodal_head(self, modality: str) -> nn.Module | None:
        """The classifier that ``modality`` has for itself beside the fusion, if there is one."""
        return None

    def head_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{m: (B, C)}`` of the classifiers of single modalities; the unimodal logits where a model has none."""
        return self.unimodal_logits(feats)

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a deployed model says, ``{name: (B, ...)}``; preprocessed inputs as :meth:`forward` takes them.

        Raises:
            ConfigError: If the model has no answer that is made of tensors alone.
        """
        raise ConfigError(f'{type(self).__name__} has no answers of tensors alone, so it cannot be exported')

    def fused_feats(self, feats: Feats) -> Feats:
        """The features after the modalities have seen each other; unchanged unless the fusion transforms them."""
        return feats

    def add_loss_term(self, name: str, term: Callable[[Step], Tensor]) -> None:
        """Add ``term(step)`` to the losses of every training step under ``name``.

        Raises:
            ValueError: If a term of that name is there already.
        """
        if name in self._loss_terms:
            raise ValueError(f'the loss term {name!r} is there already; give each balancing hook a name of its own')
        self._loss_terms[name] = term

    def remove_loss_term(self, name: str) -> None:
        """Take back a term added with :meth:`add_loss_term`."""
        self._loss_terms.pop(name, None)

    def add_loss_weighting(self, name: str, weigh: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
        """Let ``weigh(losses)`` change the terms of every training step, after all of them have been added.

        Raises:
            ValueError: If a weighting of that name is there already.
        """
        if name in self._loss_weightings:
            raise ValueError(f'the weighting {name!r} is there already; give each balancing hook a name of its own')
        self._loss_weightings[name] = weigh

    def remove_loss_weighting(self, name: str) -> None:
        """Take back what :meth:`add_loss_weighting` added."""
        self._loss_weightings.pop(name, None)

    def finish_step(self, feats: Feats, logits: Tensor | None, labels: Tensor, losses: dict[str, Tensor],
                    data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """Record the iteration in :attr:`step`, add the extra loss terms, weigh and return all losses.

        Every ``loss`` method of a subclass ends with it.
        """
        self.step = Step(feats, logits, labels, losses, data_samples)
        for name, term in self._loss_terms.items():
            losses[name] = term(self.step)
        for weigh in self._loss_weightings.values():
            losses.update(weigh(losses))
        return losses

    def train_step(self, data: dict, optim_wrapper: OptimWrapper,
                   through: nn.Module | None = None) -> dict[str, Tensor]:
        """One update of the parameters.

        A loss that is not finite never reaches the optimiser.

        Args:
            data: A batch of the data loader.
            optim_wrapper: Does the update.
            through: The distributed wrapper whose forward leads to this model, if there is one.

        Raises:
            NonFiniteLossError: Naming the loss terms and the samples of the batch.
        """
        if through is None:
            return self._update(data, optim_wrapper)
        # A tuple, since a module stored as an attribute would become a child of its own child.
        self._through = (through, )
        try:
            return self._update(data, optim_wrapper)
        finally:
            self._through = (None, )

    def _update(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        if self.train_step_policy is not None:
            return self.train_step_policy(self, data, optim_wrapper)
        with optim_wrapper.optim_context(self.outer):
            data = self.data_preprocessor(data, training=True)
        total, log_vars = self._objective(data, optim_wrapper)
        again = {}
        if getattr(optim_wrapper, 'needs_second_pass', False):
            again['second_pass'] = lambda: self._objective(data, optim_wrapper)[0]
        optim_wrapper.update_params(total, **again)
        return log_vars

    def _objective(self, data: dict, optim_wrapper: OptimWrapper) -> tuple[Tensor, dict[str, Tensor]]:
        with optim_wrapper.optim_context(self.outer):
            losses = self.run_forward(data)
        total, log_vars = self.parse_losses(losses)
        self.check_finite(total, log_vars)
        return total, log_vars

    def parse_losses(self, losses: dict[str, Tensor | list[Tensor]]) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of all terms with ``loss`` in their name, and every term for the log; scalars cost no operation.

        Raises:
            ValueError: If there is no such term.
        """
        log_vars = {}
        for name, value in losses.items():
            parts = [p.mean() if p.dim() else p for p in (value if isinstance(value, (list, tuple)) else [value])]
            log_vars[name] = sum(parts[1:], parts[0])
        terms = [value for name, value in log_vars.items() if 'loss' in name]
        if not terms:
            raise ValueError(f'no term of the losses has "loss" in its name: {", ".join(losses) or "there are none"}')
        total = sum(terms[1:], terms[0])
        return total, {'loss': total, **log_vars}

    @property
    def outer(self) -> nn.Module:
        """What a training step calls: the distributed wrapper during a distributed step, else this model."""
        return self._through[0] or self

    def run_forward(self, data: dict) -> dict[str, Tensor]:
        """Losses of a preprocessed batch, through the distributed wrapper if there is one."""
        return self.outer._run_forward(data, mode='loss')

    def check_finite(self, total: Tensor, log_vars: dict[str, Tensor]) -> None:
        """Raise :class:`NonFiniteLossError` unless ``total`` is a number, on this rank and on every other.

        The one value that crosses to the host in a step. A policy of several backward passes calls it as well.
        """
        finite = math.isfinite(total.item())
        wrapper = self._through[0]
        if wrapper.agree(finite) if wrapper is not None else finite:
            return
        terms = {k: float(v.detach()) for k, v in log_vars.items()}
        bad = ', '.join(f'{k}={v}' for k, v in terms.items() if not math.isfinite(v))
        if not bad:
            raise NonFiniteLossError('the loss is not finite on another rank')
        ids = self.step.sample_ids
        shown = ', '.join(ids[:8]) + (f' and {len(ids) - 8} more' if len(ids) > 8 else '')
        raise NonFiniteLossError(f'the loss is not finite: {bad}; samples of the batch: {shown}')

    def train(self, mode: bool = True) -> AVModel:
        """Switch between training and evaluation; the recorded step does not outlive training."""
        if not mode:
            self.step = Step()
        return super().train(mode)
