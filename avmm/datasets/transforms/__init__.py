from avmm.datasets.transforms.audio import ClampAudio, CropOrRepeatAudio
from avmm.datasets.transforms.base import AVTransform
from avmm.datasets.transforms.cached_spectrogram import CachedSpectrogram
from avmm.datasets.transforms.formatting import PackAVInputs
from avmm.datasets.transforms.frame_ops import stack_frames
from avmm.datasets.transforms.frames import (
    CenterCrop,
    FrameTransform,
    Normalize,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
)
from avmm.datasets.transforms.loading_audio import LoadAudio
from avmm.datasets.transforms.loading_frames import FrameSampler, LoadFrames, LoadVideoFrames
from avmm.datasets.transforms.noise import AddNoise
from avmm.datasets.transforms.resample import ResampleAudio, resample
from avmm.datasets.transforms.spec_augment import SpecAugment
from avmm.datasets.transforms.spectrogram import KaldiFbank, LogSpectrogram, NormalizeSpectrogram

__all__ = [
    'AVTransform', 'AddNoise', 'CachedSpectrogram', 'CenterCrop', 'ClampAudio', 'CropOrRepeatAudio',
    'FrameSampler', 'FrameTransform', 'KaldiFbank', 'LoadAudio', 'LoadFrames', 'LoadVideoFrames', 'LogSpectrogram',
    'Normalize', 'NormalizeSpectrogram', 'PackAVInputs', 'RandomHorizontalFlip', 'RandomResizedCrop',
    'ResampleAudio', 'Resize', 'SpecAugment', 'resample', 'stack_frames'
]
