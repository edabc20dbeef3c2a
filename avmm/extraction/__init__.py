"""From folders of media to feature stores."""
from avmm.extraction.base import FeatureExtractor, Media

__all__ = ['FeatureExtractor', 'Media']
