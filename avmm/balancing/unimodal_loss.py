"""Joint learning: each modality is trained for itself beside the fusion."""
from __future__ import annotations

from torch import Tensor, nn

from avmm.balancing.base import BalancingHook
from avmm.models.base import AVModel, Step
from avmm.registry import HOOKS, LOSSES


@HOOKS.register_module()
class UnimodalLoss(BalancingHook):
    """Add the loss of each modality's own logits: ``L + w * sum_m L_m``.

    The logits are those of the heads of the model (``AVClassifier(heads=True)``), or what the fusion attributes to
    each modality where there are none.

    Args:
        loss: Config of the loss of a modality; the loss of the model by default, or cross-entropy.
        weight: Factor w of the added losses.
        starts: First epoch, counted from 0.
        ends: Last epoch, itself included; None for all.
        **options: ``name`` of :class:`BalancingHook`.

    Example:
        >>> custom_hooks = [dict(type='UnimodalLoss')]
    """

    needs_joint_step = False

    def __init__(self, loss: dict | None = None, weight: float = 1.0, starts: int = 0, ends: int | None = None,
                 **options):
        super().__init__(starts, ends, **options)
        self.loss = None if loss is None else LOSSES.build(loss)
        self.weight = weight

    def loss_term(self, step: Step) -> Tensor:
        """``w * sum_m L_m``, a scalar."""
        return self.weight * sum(unimodal_losses(self.model, step, self.loss).values())


def unimodal_losses(model: AVModel, step: Step, loss: nn.Module | None = None) -> dict[str, Tensor]:
    """``{m: ()}``, the loss of each modality's own logits ``(B, C)``, or ``(B, S, C)`` for segments.

    Args:
        model: The model that made the step.
        step: Its features and labels.
        loss: The loss; that of the model (``loss_fn``) by default, or cross-entropy.
    """
    loss = loss or getattr(model, 'loss_fn', None) or nn.functional.cross_entropy
    logits = model.head_logits(step.feats)
    labels = step.labels.flatten(0, -2) if step.labels.ndim == next(iter(logits.values())).ndim \
        else step.labels.flatten()
    return {m: loss(logits[m].flatten(0, -2), labels) for m in model.modalities if m in logits}
