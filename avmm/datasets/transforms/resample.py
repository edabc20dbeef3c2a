"""Change of the sample rate."""
from __future__ import annotations

from avmm.datasets.transforms.base import AVTransform
from avmm.media.resampling import resample
from avmm.registry import TRANSFORMS
from avmm.utils import ConfigError

__all__ = ['ResampleAudio', 'resample']


@TRANSFORMS.register_module()
class ResampleAudio(AVTransform):
    r"""Resample a waveform by band-limited interpolation.

    Every output sample is a sum of input samples weighted by a sinc under a squared cosine window,

    .. math:: h(t) = \mathrm{sinc}(t) \cos^2\left(\frac{\pi t}{2 w}\right), \quad |t| < w,

    with t in zero crossings at the lower of both rates times ``rolloff`` and w = ``lowpass_filter_width``. These are
    the numbers of ``torchaudio.functional.resample``, but the kernel is kept between calls and only its non-zero part
    is multiplied.

    Required Keys:

    - audio (``(channels, L)``)
    - sample_rate (Hz)

    Modified Keys:

    - audio (``(channels, ceil(L * new / old))``)
    - sample_rate

    Args:
        sample_rate: New rate in Hz.
        max_samples: Output samples that are wanted at most; the rest is not computed. None computes all.
        lowpass_filter_width: Zero crossings on each side of the kernel.
        rolloff: Cut-off frequency, as a part of the Nyquist frequency.
    """

    def __init__(self, sample_rate: int, max_samples: int | None = None, lowpass_filter_width: int = 6,
                 rolloff: float = 0.99):
        if sample_rate < 1:
            raise ConfigError(f'sample_rate must be positive, got {sample_rate} Hz')
        if max_samples is not None and max_samples < 1:
            raise ConfigError(f'max_samples must be at least 1, got {max_samples}')
        self.sample_rate = sample_rate
        self.max_samples = max_samples
        self.lowpass_filter_width = lowpass_filter_width
        self.rolloff = rolloff

    def transform(self, results: dict) -> dict:
        """Resample, and cut to ``max_samples``."""
        if 'audio' not in results:
            return results
        results['audio'] = resample(results['audio'], results['sample_rate'], self.sample_rate, self.max_samples,
                                    self.lowpass_filter_width, self.rolloff)
        results['sample_rate'] = self.sample_rate
        return results
