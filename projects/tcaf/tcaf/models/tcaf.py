"""TCAF: temporal cross-attention over audio and visual steps."""
from __future__ import annotations

from torch import Tensor

from avmm.models.attention import MapSource
from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.sequence_model import SequenceModel
from projects.tcaf.tcaf.models.token_transformer import TokenTransformer


@MODELS.register_module()
class TCAF(SequenceModel):
    """Gathers the sequences with a transformer over their steps and a class token.

    Of "Temporal and cross-modal attention for audio-visual zero-shot learning" (ECCV 2022).

    Args:
        in_channels: Width of the features of each modality.
        transformer: Arguments of the :class:`TokenTransformer`.
        **options: Further arguments of :class:`SequenceModel`.

    Raises:
        ConfigError: If the attention leaves the tokens of the only modality nothing to look at.

    Example:
        >>> model = MODELS.build(dict(type='TCAF', in_channels=dict(audio=128, visual=4096),
        ...                           encoder=dict(hidden_channels=512, dropout=0.3)))
        >>> model(dict(audio=torch.rand(2, 7, 128), visual=torch.rand(2, 11, 4096))).shape
        torch.Size([2, 64])
    """

    def __init__(self, in_channels: dict[str, int], transformer: dict | None = None, channels: int = 300, **options):
        super().__init__(in_channels, channels, **options)
        self.transformer = TokenTransformer(channels, **(transformer or {}))
        if len(self.modalities) == 1 and self.transformer.attention == 'cross':
            raise ConfigError(f"TCAF: with {self.modalities[0]} alone, attention='cross' has no other modality to "
                              "see; use 'self' or 'both'")

    def gather(self, tokens: Feats, masks: dict[str, Tensor | None]) -> Tensor:
        """What the class token gathers, ``(B, d)``."""
        return self.transformer(list(tokens.values()), [masks[m] for m in tokens])

    def map_sources(self) -> dict[str, MapSource]:
        """The layers, ``layer_0`` to the last. A map is ``(B, N, H, N)``: audio, then the class token, then visual."""
        return {f'layer_{i}': layer for i, layer in enumerate(self.transformer.layers)}
