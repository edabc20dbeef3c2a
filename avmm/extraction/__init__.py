"""From folders of media to feature stores."""
from avmm.extraction.ave import ave_items, write_official
from avmm.extraction.base import FeatureExtractor, Media
from avmm.extraction.engine import Extracted, Extraction
from avmm.extraction.extractors import (
    C3D,
    SeLaVi,
    TorchaudioFeatures,
    TorchvisionFeatures,
    VGG19Maps,
    VGGish,
)
from avmm.extraction.items import Clip, Item, clips_of, read_items
from avmm.extraction.report import Report
from avmm.extraction.run import StoreRun
from avmm.extraction.shards import Layout, Shard, merge_shards, unfinished

__all__ = [
    'C3D', 'Clip', 'Extracted', 'Extraction', 'FeatureExtractor', 'Item', 'Layout', 'Media', 'Report', 'SeLaVi',
    'Shard', 'StoreRun', 'TorchaudioFeatures', 'TorchvisionFeatures', 'VGG19Maps', 'VGGish', 'ave_items',
    'clips_of', 'merge_shards', 'read_items', 'unfinished', 'write_official'
]
