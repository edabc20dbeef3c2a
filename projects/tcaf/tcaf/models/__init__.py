"""Models of audio-visual generalised zero-shot learning."""
from projects.tcaf.tcaf.models.apn import APN
from projects.tcaf.tcaf.models.avca import AVCA
from projects.tcaf.tcaf.models.avgzslnet import AVGZSLNet
from projects.tcaf.tcaf.models.base import GZSLModel, class_distances
from projects.tcaf.tcaf.models.bilinear import BilinearCompatibility, ranking_loss
from projects.tcaf.tcaf.models.cjme import CJME
from projects.tcaf.tcaf.models.embedding_net import EmbeddingNet
from projects.tcaf.tcaf.models.fvaegan import FVAEGAN
from projects.tcaf.tcaf.models.losses import symmetric_triplets, triplet
from projects.tcaf.tcaf.models.position_encoder import PositionEncoder
from projects.tcaf.tcaf.models.sequence_model import SequenceModel
from projects.tcaf.tcaf.models.tcaf import TCAF
from projects.tcaf.tcaf.models.temporal_attention_fusion import TemporalAttentionFusion
from projects.tcaf.tcaf.models.temporal_perceiver import TemporalPerceiver
from projects.tcaf.tcaf.models.token_transformer import TokenTransformer

__all__ = [
    'APN', 'AVCA', 'AVGZSLNet', 'BilinearCompatibility', 'CJME', 'EmbeddingNet', 'FVAEGAN', 'GZSLModel',
    'PositionEncoder', 'SequenceModel', 'TCAF', 'TemporalAttentionFusion', 'TemporalPerceiver', 'TokenTransformer',
    'class_distances', 'ranking_loss', 'symmetric_triplets', 'triplet'
]
