from avmm.models.encoders.base import Encoder
from avmm.models.encoders.resnet import AVResNet18

__all__ = ['AVResNet18', 'Encoder']
