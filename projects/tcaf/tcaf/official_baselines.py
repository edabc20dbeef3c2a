"""Official names and shapes of the tensors of the methods that AVCA and TCAF are compared with."""
from __future__ import annotations

from torch import Tensor

from avmm.utils.conversion import NameTable, State

_NETS = [(f'triplet_net.embedding_net{i}.fc', f'{ours}.fc') for i, ours in (
    (1, 'encoders.audio'), (2, 'encoders.visual'), (3, 'project_words'))]

CJME_TABLE = NameTable([*_NETS, ('attention_model', 'attention')], prefixed=False)
AVGZSLNET_TABLE = NameTable([*_NETS, ('decoder_net.embedding_net.fc', 'decoder.fc')], prefixed=False)
BILINEAR_TABLE = NameTable([('bilinear', 'bilinear')], prefixed=False)
FVAEGAN_TABLE = NameTable([
    ('Encoder.MLP.L0', 'encoder.hidden'), ('Encoder.linear_means', 'encoder.mean'),
    ('Encoder.linear_log_var', 'encoder.log_var'), ('netG.MLP.L0', 'generator.hidden'),
    ('netG.MLP.L1', 'generator.out'), ('netD.fc1', 'critic.hidden'), ('netD.fc2', 'critic.out'),
    ('netD2.fc1', 'free_critic.hidden'), ('netD2.fc2', 'free_critic.out')], prefixed=False)


class APNTable(NameTable):
    """Tensors of APN, whose two maps are convolutions of width one in the official program."""

    def __init__(self):
        super().__init__([('ALE_vector', 'final'), ('prototype_vectors.layer4', 'prototypes')], prefixed=False)

    def from_official(self, state: State) -> dict[str, Tensor]:
        """See :class:`NameTable`."""
        return {name: value.flatten(1) for name, value in super().from_official(state).items()}

    def to_official(self, state: State, unused: State | None = None) -> dict[str, Tensor]:
        """See :class:`NameTable`."""
        return {name: value[..., None, None] for name, value in super().to_official(state, unused).items()}
