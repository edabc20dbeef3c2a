"""Initial weights as the official program draws them, tensors that it never uses included."""
from __future__ import annotations

import copy

from torch import Tensor, nn

from avmm.utils import ConfigError

#: Tasks of the official program: its four training scripts.
TASKS = ('supervised', 'weak', 'a2v', 'v2a')
_WIDTH, _HIDDEN, _HEADS, _EVENTS = 256, 2048, 4, 28


def official_state(task: str = 'supervised') -> dict[str, Tensor]:
    """State dict of an untrained official model, drawn from torch's generator in the order of its constructor.

    After ``torch.manual_seed`` with the seed of a recipe these are the weights that the official training starts from.

    Args:
        task: ``'supervised'``, ``'weak'``, ``'a2v'`` or ``'v2a'``; they differ in the head alone.

    Raises:
        ConfigError: If the task is another one.
    """
    if task not in TASKS:
        raise ConfigError(f'task is {task!r}; it must be one of {", ".join(TASKS)}')
    # Python evaluates, and torch draws, in the order of these lines.
    model = nn.ModuleDict(dict(
        spatial_channel_att=_triplet_attention(), v_fc=nn.Linear(512, 512),
        video_encoder=_stack('encoder', 512), video_decoder=_stack('decoder', 512),
        audio_encoder=_stack('encoder', 128), audio_decoder=_stack('decoder', 128),
        AVInter=nn.ModuleDict(dict(video_multihead=_attention(), norm1=nn.LayerNorm(_WIDTH))),
        localize_module=_head(task == 'weak')))
    return model.state_dict()


def _triplet_attention() -> nn.Module:
    sizes = dict(affine_video_1=(512, 512), affine_audio_1=(128, 512), affine_bottleneck=(512, 256),
                 affine_v_c_att=(256, 512), affine_video_2=(512, 1280), affine_audio_2=(128, 1280),
                 affine_v_s_att=(256, 1), affine_video_guided_1=(512, 64), affine_video_guided_2=(64, 128),
                 Linear_visual=(512, 256), Linear_audio=(128, 256))
    layers = nn.ModuleDict({name: nn.Linear(*size) for name, size in sizes.items()})
    layers['lstm'] = nn.LSTM(512, 128, num_layers=2, bidirectional=True)
    return layers


def _attention() -> nn.Module:
    return nn.MultiheadAttention(_WIDTH, _HEADS)


def _stack(kind: str, in_channels: int) -> nn.Module:
    """An encoder of two layers or a decoder of one, with the template that the layers are copied from."""
    parts = dict(self_attn=_attention())
    if kind == 'decoder':
        parts['multihead_attn'] = _attention()
    parts |= dict(linear1=nn.Linear(_WIDTH, _HIDDEN), linear2=nn.Linear(_HIDDEN, _WIDTH),
                  norm1=nn.LayerNorm(_WIDTH), norm2=nn.LayerNorm(_WIDTH))
    template = nn.ModuleDict(parts)
    layers = nn.ModuleList(copy.deepcopy(template) for _ in range(2 if kind == 'encoder' else 1))
    return nn.ModuleDict({f'{kind}_layer': template, kind: nn.ModuleDict(dict(layers=layers)),
                          'affine_matrix': nn.Linear(in_channels, _WIDTH)})


def _head(weak: bool) -> nn.Module:
    names = ('classifier', 'classifier_self', 'event_classifier', 'event_self')
    return nn.ModuleDict({name: nn.Linear(_WIDTH, 1 if name.startswith('classifier') else _EVENTS + weak)
                          for name in names if weak or name != 'classifier_self'})
