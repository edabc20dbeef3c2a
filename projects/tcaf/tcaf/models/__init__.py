"""Models of audio-visual generalised zero-shot learning."""
from projects.tcaf.tcaf.models.avca import AVCA
from projects.tcaf.tcaf.models.base import GZSLModel, class_distances
from projects.tcaf.tcaf.models.embedding_net import EmbeddingNet
from projects.tcaf.tcaf.models.losses import symmetric_triplets, triplet
from projects.tcaf.tcaf.models.position_encoder import PositionEncoder
from projects.tcaf.tcaf.models.sequence_model import SequenceModel
from projects.tcaf.tcaf.models.tcaf import TCAF
from projects.tcaf.tcaf.models.temporal_attention_fusion import TemporalAttentionFusion
from projects.tcaf.tcaf.models.temporal_perceiver import TemporalPerceiver
from projects.tcaf.tcaf.models.token_transformer import TokenTransformer

__all__ = [
    'AVCA', 'EmbeddingNet', 'GZSLModel', 'PositionEncoder', 'SequenceModel', 'TCAF', 'TemporalAttentionFusion',
    'TemporalPerceiver', 'TokenTransformer', 'class_distances', 'symmetric_triplets', 'triplet'
]
