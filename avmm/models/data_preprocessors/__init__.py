from avmm.models.data_preprocessors.av_data_preprocessor import AVDataPreprocessor
from avmm.models.data_preprocessors.batch_mixup import BatchMixup
from avmm.models.data_preprocessors.batch_noise import BatchNoise

__all__ = ['AVDataPreprocessor', 'BatchMixup', 'BatchNoise']
