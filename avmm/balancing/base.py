"""The protocol of balancing methods: where they act on a training run, and what the run does for them."""
from __future__ import annotations

import copy
import weakref

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook, LoggerHook
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from avmm.balancing.parameters import NamedParameters, balanced_model, select_parameters
from avmm.models.base import AVModel, Step
from avmm.utils import ConfigError


class BalancingHook(Hook):
    """Base of methods that balance the modalities of an :class:`~avmm.models.base.AVModel` in training.

    A method overrides what it needs and leaves the rest; a place that is not overridden costs nothing.

    ==========  ==============================================  ======================================================
    place       override                                        when it runs
    ==========  ==============================================  ======================================================
    data        ``before_train_epoch``, ``before_train_iter``   mmengine's own
    features    :meth:`edit_feature`                            after the branch of a modality, in training
    objective   :meth:`loss_term`                               when the losses of a step are known
    \\           :meth:`weigh_losses`                            after the terms of all hooks have been added
    \\           :meth:`train_step`                              in place of the update, for several backward passes
    gradients   :meth:`batch_scores`, :meth:`coefficients`,     after the forward of each micro-batch; then before the
                :meth:`edit_gradients`, :meth:`targets`         step of the optimiser
    ==========  ==============================================  ======================================================

    Gradients: the scores of the micro-batches of an update are summed, then summed over the ranks, and give one
    coefficient for each key of :meth:`targets`. A new sum begins whenever a forward finds the gradients cleared. So
    an update that a gradient scaler skips leaves nothing behind, and under SAM, which clears the gradients between
    its two passes, the hook acts once, with the scores and the gradient of the second pass. Several hooks act in the
    order of the config.

    Args:
        starts: First epoch, counted from 0, in which the method acts.
        ends: Last epoch in which it acts, itself included; None for all.
        params: Which parameters of a branch have their gradients edited: ``dims``, the numbers of dimensions a
            parameter may have (``(4,)`` is the weights of 2-D convolutions, None is any), and ``pattern``, a regular
            expression to be found in the name inside the branch (None is any). Those left out keep the defaults of the
            method.
        name: Key of the state in a checkpoint; the name of the class by default. Two hooks need two names.
        log_prefix: The coefficients appear in the log as ``<log_prefix>/<key>``.

    Raises:
        ConfigError: If an option cannot be, or, when training starts, if the method cannot act on the model.
    """

    #: The published rule of the method; see ``params``.
    default_params: dict = {'dims': None, 'pattern': None}
    #: Whether the method reads the joint logits of each step.
    needs_joint_step = True
    #: How many modalities there have to be at least.
    min_modalities = 2

    def __init__(self, starts: int = 0, ends: int | None = None, params: dict | None = None, name: str | None = None,
                 log_prefix: str = 'balance'):
        self.name = name or type(self).__name__
        if starts < 0 or (ends is not None and ends < starts):
            raise ConfigError(f'{self.name}: the window starts={starts}, ends={ends} holds no epoch; '
                              'give 0 <= starts <= ends, or ends=None')
        unknown = set(params or {}) - {'dims', 'pattern'}
        if unknown:
            raise ConfigError(f'{self.name}.params has {sorted(unknown)}; it takes dims and pattern')
        self.starts, self.ends = starts, ends
        self.params = {**self.default_params, **(params or {})}
        self.log_prefix = log_prefix
        self.epoch = 0
        self.model: AVModel | None = None
        self._targets: dict[str, NamedParameters] = {}
        self._handles: list = []
        self._acting = False
        self._scores: Tensor | None = None
        self._kept_scores: Tensor | None = None
        self._seen: weakref.ref | None = None
        self._first_state: dict | None = None
        self._log_sum: Tensor | None = None
        self._log_count = 0
        self._logged = False
        self._log_interval = 10

    # What a method overrides -----------------------------------------------------------------------------------------

    def edit_feature(self, modality: str, feature: Tensor) -> Tensor | None:
        """Replace the output of a branch; None leaves it."""

    def loss_term(self, step: Step) -> Tensor:
        """A loss ``()`` that is added to the objective of each step."""

    def weigh_losses(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Other values for terms of the objective, ``{name: ()}``; terms that are left out stay as they are."""

    def train_step(self, model: nn.Module, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Do the whole update and return the values to log, as ``AVModel.train_step`` does."""

    def batch_scores(self, model: AVModel, step: Step) -> Tensor:
        """Additive numbers ``(K,)`` of one micro-batch; called without gradient."""

    def coefficients(self, scores: Tensor | None) -> dict[str, Tensor]:
        """``{key: ()}`` from the scores ``(K,)`` of the whole batch, or from None if the method takes no scores."""

    def targets(self, model: AVModel) -> dict[str, NamedParameters]:
        """``{key: [(name, parameter)]}``: the parameters that each coefficient scales, a key for each modality.

        Raises:
            ConfigError: If ``params`` leaves a branch without parameters.
        """
        chosen = {m: select_parameters(model, model.branch(m), **self.params) for m in model.modalities}
        for modality, parameters in chosen.items():
            if not parameters:
                raise ConfigError(f'{self.name}: no parameter of the branch {modality!r} has {self._rule()}; '
                                  'choose with params=dict(dims=..., pattern=...), dims=None takes all')
        return chosen

    def edit_gradients(self, key: str, names: list[str], grads: list[Tensor], coefficient: Tensor,
                       loss_scale: Tensor | float) -> None:
        """Edit the gradients of one key in place: scale them by default.

        Args:
            key: Key of :meth:`targets`.
            names: Names of the parameters.
            grads: Their gradients; parameters without one are left out.
            coefficient: The coefficient of the key, ``()``.
            loss_scale: What the gradients are still multiplied by: a tensor ``()`` in a fused optimiser under a
                gradient scaler, which unscales inside its step, and 1.0 everywhere else.
        """
        torch._foreach_mul_(grads, coefficient)

    def before_update(self) -> None:
        """Called once before the gradients of an update are edited."""

    def state_dict(self) -> dict:
        """What a resumed run needs: tensors and plain numbers only."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Take back what :meth:`state_dict` gave."""

    # Without a runner ------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether :attr:`epoch` lies in the window."""
        return self.starts <= self.epoch and (self.ends is None or self.epoch <= self.ends)

    @property
    def loss_name(self) -> str:
        """Name of :meth:`loss_term` among the losses."""
        return f'loss_{self.name}'

    @property
    def objective_active(self) -> bool:
        """Whether the objective is that of the method: in the window, unless a method knows better."""
        return self.active

    def restart(self) -> None:
        """Be as at the start of the run, for a loop that trains again from fresh weights in the same process.

        What was attached stays attached.
        """
        if self._first_state is not None:
            self.load_state_dict(copy.deepcopy(self._first_state))
        self._scores = self._kept_scores = self._log_sum = self._seen = None
        self._log_count, self._logged = 0, False
        self.set_epoch(0)

    def attach(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Begin to act on ``model`` and ``optimizer``; a runner does it when training starts.

        Raises:
            ConfigError: If the method cannot act on the model.
        """
        self._unregister()
        self.model = self._check(balanced_model(model, self.name))
        if self._overrides('edit_feature'):
            for m in self.model.modalities:
                self._handles.append(self.model.branch(m).register_forward_hook(self._feature_hook(m)))
        if self._overrides('coefficients'):
            self._targets = self.targets(self.model)
            if self._overrides('batch_scores'):
                # A compiled train_step leaves the graph here: what this does depends on the state of the hook.
                collect = torch.compiler.disable(self._collect)
                self._handles.append(self.model.register_forward_hook(lambda module, args, output: collect()))
            # Implementations of SAM as an optimiser keep the one that really steps in this attribute.
            innermost = getattr(optimizer, 'base_optimizer', optimizer)
            self._handles.append(innermost.register_step_pre_hook(self._before_step))
        self.set_epoch(self.epoch)

    def detach(self) -> None:
        """Stop to act, and leave nothing behind in the model and the optimiser."""
        self._unregister()
        self._scores = self._kept_scores = None

    def set_epoch(self, epoch: int) -> None:
        """Tell the epoch, counted from 0."""
        self.epoch = epoch
        if self.model is None or self.objective_active == self._acting:
            return
        if self.objective_active:
            self._enter_objective(self.model)
        else:
            self._leave_objective()

    # With a runner ---------------------------------------------------------------------------------------------------

    def before_run(self, runner) -> None:
        """Remember the state that no checkpoint has touched yet."""
        self._first_state = copy.deepcopy(self.state_dict())

    def before_train(self, runner) -> None:
        """Attach: by now the optimiser is the one that will step, restored if the run is resumed."""
        others = [h for h in runner.hooks if isinstance(h, BalancingHook) and h is not self and h.name == self.name]
        if others:
            raise ConfigError(f'two balancing hooks are named {self.name!r}; give one of them another name=...')
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        if optimizer is None:
            raise ConfigError(f'{self.name} acts on one optimiser, and this run has several '
                              f'({type(runner.optim_wrapper).__name__}); use a single OptimWrapper')
        self._log_interval = next((h.interval for h in runner.hooks if isinstance(h, LoggerHook)), 10)
        self.epoch = runner.epoch
        self.attach(runner.model, optimizer)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Open or close the window."""
        self.set_epoch(runner.epoch)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Hand the coefficients to the log, once an interval: only there do they cross to the host."""
        if runner.optim_wrapper.should_update():
            # A gradient scaler may have skipped the step and left the scores of this update behind.
            self._scores = None
        # A checkpoint that is written inside a failed iteration must not hold the scores of that iteration.
        self._kept_scores = self._scores
        if self.every_n_inner_iters(batch_idx, self._log_interval) or self.end_of_epoch(
                runner.train_dataloader, batch_idx):
            for key, value in self.read_log().items():
                runner.message_hub.update_scalar(f'train/{self.log_prefix}/{key}', value)

    def after_train(self, runner) -> None:
        """Detach."""
        self.detach()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the state under ``checkpoint['balancing'][name]``; every rank calls it.

        Between two updates the scores so far differ from rank to rank; their mean leads to the same sum.
        """
        state = dict(method=self.state_dict(), log_sum=self._log_sum, log_count=self._log_count, logged=self._logged)
        if self._kept_scores is not None:
            state['scores'] = self._kept_scores.clone()
            all_reduce(state['scores'], op='mean')
        checkpoint.setdefault('balancing', {})[self.name] = state

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take the state back when a run is resumed; weights that are only loaded bring none."""
        state = checkpoint.get('balancing', {}).get(self.name)
        if state is None or not runner._resume:
            return
        self.load_state_dict(state['method'])
        device = next(runner.model.parameters()).device
        self._scores, self._log_sum = (None if state.get(key) is None else state[key].to(device)
                                       for key in ('scores', 'log_sum'))
        self._kept_scores = self._scores
        self._log_count, self._logged = state['log_count'], state['logged']

    def read_log(self) -> dict[str, Tensor | float]:
        """Mean coefficients of the updates since the last call, still on the device; 1 after the window has closed."""
        if self._log_count:
            values = self._log_sum / self._log_count
            self._log_sum, self._log_count, self._logged = None, 0, True
            return dict(zip(self._targets, values.unbind(), strict=True))
        # The log repeats the last value it was given, which would seem to go on for ever.
        return dict.fromkeys(self._targets, 1.0) if self._logged and not self.active else {}

    def record(self, coefficients: dict[str, Tensor]) -> None:
        """Add the coefficients ``{key: ()}`` of one update, a key for each of :meth:`targets`, to the log."""
        values = torch.stack([coefficients[key].detach().float() for key in self._targets])
        self._log_sum = values if self._log_sum is None else self._log_sum + values
        self._log_count += 1

    # How it works ----------------------------------------------------------------------------------------------------

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(BalancingHook, method)

    def _rule(self) -> str:
        dims, pattern = self.params['dims'], self.params['pattern']
        parts = [f'{" or ".join(map(str, dims))} dimensions'] if dims is not None else []
        return ' and '.join(parts + ([f'a name with {pattern!r}'] if pattern is not None else [])) or 'a gradient'

    def _check(self, model: AVModel) -> AVModel:
        if len(model.modalities) < self.min_modalities:
            raise ConfigError(f'{self.name} compares {self.min_modalities} modalities or more, '
                              f'{type(model).__name__} has {list(model.modalities)}; leave the hook out')
        if self.needs_joint_step and not model.joint_step:
            raise ConfigError(f'{self.name} needs joint logits in every training step, {type(model).__name__} has '
                              'none (joint_step=False); leave the hook out or use a model that fuses in every step')
        return model

    def _unregister(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._leave_objective()
        self.model = self._seen = None

    def _enter_objective(self, model: AVModel) -> None:
        if self._overrides('train_step'):
            if model.train_step_policy is not None:
                raise ConfigError(f'{self.name} does the whole update itself, and another hook does so already; '
                                  'leave one of them out')
            model.train_step_policy = self.train_step
        if self._overrides('loss_term'):
            model.add_loss_term(self.loss_name, self.loss_term)
        if self._overrides('weigh_losses'):
            model.add_loss_weighting(self.name, self.weigh_losses)
        self._acting = True

    def _leave_objective(self) -> None:
        if self._acting and self.model is not None:
            self.model.remove_loss_term(self.loss_name)
            self.model.remove_loss_weighting(self.name)
            if self._overrides('train_step'):
                self.model.train_step_policy = None
        self._acting = False

    def _feature_hook(self, modality: str):
        def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor | None:
            return self.edit_feature(modality, output) if self.active and module.training else None
        return hook

    @torch.no_grad()
    def _collect(self) -> None:
        """Add the scores of the current step, once."""
        step = self.model.step
        if not self.active or not step or not self.model.training or (self._seen is not None and self._seen() is step):
            return
        self._seen = weakref.ref(step)
        scores = self.batch_scores(self.model, step)
        self._scores = scores if self._scores is None or self._cleared() else self._scores + scores

    def _cleared(self) -> bool:
        return all(p.grad is None for parameters in self._targets.values() for _, p in parameters)

    @torch.no_grad()
    def _before_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        """Edit the gradients of one update."""
        if not self.active:
            return
        scores = self._global_scores() if self._overrides('batch_scores') else None
        coefficients = self.coefficients(scores)
        self.before_update()
        loss_scale = getattr(optimizer, 'grad_scale', None)
        for key, parameters in self._targets.items():
            having = [(name, p.grad) for name, p in parameters if p.grad is not None]
            if having:
                names, grads = map(list, zip(*having, strict=True))
                self.edit_gradients(key, names, grads, coefficients[key], 1.0 if loss_scale is None else loss_scale)
        self.record(coefficients)

    def _global_scores(self) -> Tensor:
        if self._scores is None:
            raise ConfigError(f'{self.name}: the optimiser steps, but the model recorded no training step since the '
                              'last update; its loss() has to end with finish_step()')
        scores, self._scores = self._scores, None
        all_reduce(scores)
        return scores
