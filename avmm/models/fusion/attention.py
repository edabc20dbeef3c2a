"""Fusion in which all modalities together weigh the features of each."""
from __future__ import annotations

from torch import nn

from avmm.models.fusion.base import Feats
from avmm.models.fusion.concat import ConcatFusion
from avmm.registry import MODELS


@MODELS.register_module()
class AttentionFusion(ConcatFusion):
    r"""Weigh the channels of each modality by what all of them show, then concatenate and classify.

    .. math:: u = \sum_m f_m, \quad s = u W_s^T + b_s, \quad f'_m = \sigma(s W_m^T + b_m) \odot f_m, \quad
              z = [f'_1; \dots; f'_M] W^T + b

    The channel attention of `SKNet <https://arxiv.org/abs/1903.06586>`_ (section 3.1) across modalities, with a
    sigmoid for each. A modality alone says :math:`f'_m W_m^T + b / M`, as in :class:`ConcatFusion`, where the weights
    :math:`f'_m` have seen the other modalities.

    Args:
        in_channels: Width D of the features, the same for each modality.
        num_classes: Number of classes C.
        reduction: The squeezed vector s has ``D // reduction`` channels.
        init_cfg: Initialisation of mmengine.

    Raises:
        ConfigError: If the widths differ.
    """

    def __init__(self, in_channels: dict[str, int], num_classes: int, reduction: int = 8,
                 init_cfg: dict | None = None):
        super().__init__(in_channels, num_classes, init_cfg)
        width = self.require_equal_widths()
        squeezed = max(1, width // reduction)
        self.squeeze = nn.Linear(width, squeezed)
        self.excite = nn.ModuleDict({m: nn.Linear(squeezed, width) for m in self.modalities})

    def transform(self, feats: Feats) -> Feats:
        """Weighted features ``{m: (B, D)}``."""
        squeezed = self.squeeze(sum(feats.values()))
        return {m: self.excite[m](squeezed).sigmoid() * f for m, f in feats.items()}
