from avmm.models.encoders.base import Encoder
from avmm.models.encoders.c3d import C3DEncoder
from avmm.models.encoders.convnext import ConvNeXtEncoder
from avmm.models.encoders.resnet import AVResNet18
from avmm.models.encoders.small_convnet import SmallConvNet
from avmm.models.encoders.torchvision_encoder import TorchvisionEncoder
from avmm.models.encoders.vggish import VGGishEncoder

__all__ = ['AVResNet18', 'C3DEncoder', 'ConvNeXtEncoder', 'Encoder', 'SmallConvNet', 'TorchvisionEncoder',
           'VGGishEncoder']
