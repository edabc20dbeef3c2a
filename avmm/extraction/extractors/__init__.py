"""Extractors of published features, and of any network of torchvision and torchaudio."""
from avmm.extraction.extractors.c3d import C3D
from avmm.extraction.extractors.selavi import SeLaVi
from avmm.extraction.extractors.torchaudio_features import TorchaudioFeatures
from avmm.extraction.extractors.torchvision_features import TorchvisionFeatures
from avmm.extraction.extractors.vgg19 import VGG19Maps
from avmm.extraction.extractors.vggish import VGGish

__all__ = ['C3D', 'SeLaVi', 'TorchaudioFeatures', 'TorchvisionFeatures', 'VGG19Maps', 'VGGish']
