"""Models of audio-visual generalised zero-shot learning."""
from projects.tcaf.tcaf.models.base import GZSLModel, class_distances, frozen_statistics
from projects.tcaf.tcaf.models.embedding_net import EmbeddingNet
from projects.tcaf.tcaf.models.losses import symmetric_triplets, triplet

__all__ = ['EmbeddingNet', 'GZSLModel', 'class_distances', 'frozen_statistics', 'symmetric_triplets', 'triplet']
