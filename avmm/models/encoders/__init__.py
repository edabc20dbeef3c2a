from avmm.models.encoders.base import Encoder
from avmm.models.encoders.convnext import ConvNeXtEncoder
from avmm.models.encoders.resnet import AVResNet18
from avmm.models.encoders.small_convnet import SmallConvNet
from avmm.models.encoders.torchvision_encoder import TorchvisionEncoder

__all__ = ['AVResNet18', 'ConvNeXtEncoder', 'Encoder', 'SmallConvNet', 'TorchvisionEncoder']
