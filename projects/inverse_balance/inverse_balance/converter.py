"""Checkpoints of the released program, to and from those of AVMM.

::

    checkpoint = torch.load('model_best.pth.tar', weights_only=False)  # only a file that you trust
    model.load_state_dict(from_official(checkpoint, model))
    torch.save(dict(state_dict=to_official(model)), 'for_the_released_program.pth.tar')
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from avmm.models.classifiers import AVClassifier
from avmm.models.fusion import classifier_from_official, classifier_to_official
from avmm.utils import CheckpointError

# Scalars of the nodes, which a released file has or lacks with the version of the code that wrote it.
_NODE_SCALARS = ('.threshold', '.act_fun.alpha')


def from_official(checkpoint: Mapping[str, Any], model: AVClassifier) -> dict[str, Tensor]:
    """The released weights under the names of ``model``, complete: ``load_state_dict`` takes them strictly.

    Thresholds and surrogate parameters that the file lacks are those of the model, and such that the model lacks are
    left out. Everything else has to be there, in the shape of the model.

    Args:
        checkpoint: A state dict, or the file of a training run with a ``state_dict``; names may begin with
            ``module.``, as data-parallel runs write them.
        model: The classifier that is to load it, of two :class:`PreActResNet18` and a fusion.

    Raises:
        CheckpointError: If tensors are missing, left over or of another shape.
    """
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping):
        raise CheckpointError(f'the checkpoint holds a {type(state).__name__} in place of a state dict')
    given = classifier_from_official(state, model.fusion)
    own = model.state_dict()
    missing = [name for name in own if name not in given and not name.endswith(_NODE_SCALARS)]
    unexpected = [name for name in given if name not in own and not name.endswith(_NODE_SCALARS)]
    for kind, names in (('misses', missing), ('has, unlike the model,', unexpected)):
        if names:
            raise CheckpointError(f'the official checkpoint {kind} {_some(names)}; is this the checkpoint of another '
                                  'fusion or encoder?')
    for name, tensor in own.items():
        if name in given and given[name].shape != tensor.shape:
            raise CheckpointError(f'the official checkpoint has {name} of shape {tuple(given[name].shape)}, the model '
                                  f'{tuple(tensor.shape)}; is num_classes that of the checkpoint?')
    return {name: given.get(name, tensor) for name, tensor in own.items()}


def to_official(model: AVClassifier, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The weights of ``model``, or a state dict of it, under official names and in the official order.

    Raises:
        CheckpointError: If the model has parts that the released one lacks.
    """
    official = classifier_to_official(model.state_dict() if state is None else state, model.fusion)
    order = ('fusion_module.', 'audio_net.', 'visual_net.', 'audio_fc.', 'visual_fc.')
    return {name: official[name] for prefix in order for name in official if name.startswith(prefix)}


def _some(names: list[str]) -> str:
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')
