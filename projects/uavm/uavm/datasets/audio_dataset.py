"""Sound as filter banks, to train the extractor of audio features."""
from __future__ import annotations

import torch
from torch import Tensor

from avmm.datasets.transforms import KaldiFbank, LoadAudio, NormalizeSpectrogram, ResampleAudio, SpecAugment
from avmm.registry import DATASETS
from projects.uavm.uavm.datasets.clip_list import ClipListDataset
from projects.uavm.uavm.datasets.streams import GlobalStreams
from projects.uavm.uavm.datasets.targets import make_sample


@DATASETS.register_module()
class UAVMAudioDataset(ClipListDataset):
    """Log-mel filter banks of sounds, for the audio extractor of UAVM (as in PSLA and AST; Gong et al., 2021).

    A clip of the list names its file, mono at 16 kHz in the published lists::

        {"data": [{"wav": "audio/-0RWZT-miFs.flac", "labels": "/m/09x0r,/m/05zppz"}]}

    Two waveforms may be mixed, the second cut or padded to the first. 128 Kaldi filter banks (25 ms every 10 ms) are
    padded with zeros or cut to ``target_length``, masked in frequency and time (with 0, before they are normalised),
    normalised, and with ``noise`` disturbed and rolled by -10 to 9 frames.

    Each sample is ``{'inputs': {'audio': (1, num_mel_bins, target_length)}, 'data_samples': AVDataSample}``, float32;
    the meta field ``audio_path`` of the data sample names the file.

    Args:
        ann_file: List of clips, relative to ``data_root``.
        label_file: Classes, relative to ``data_root``.
        mean: Mean of the filter banks: -5.081 for VGGSound, -4.2677 for AudioSet.
        std: Their standard deviation: 4.4849, and 4.5690.
        target_length: Frames; 1000 to train, 990 and 1000 to extract.
        num_mel_bins: Bands.
        freqm: Largest width of the mask of bands; 0 for none.
        timem: Largest width of the mask of frames; 0 for none.
        noise: Whether noise is added and the frames are rolled.
        sample_rate: Rate in Hz to which sounds of another rate are resampled; None takes each as it is.
        **kwargs: Arguments of :class:`~projects.uavm.uavm.datasets.clip_list.ClipListDataset`.
    """

    KEYS = ('wav', )
    #: Frames are rolled by -10 to 9.
    MAX_SHIFT = 10

    def __init__(self, ann_file: str, label_file: str, mean: float = -5.081, std: float = 4.4849,
                 target_length: int = 1000, num_mel_bins: int = 128, freqm: int = 0, timem: int = 0,
                 noise: bool = False, sample_rate: int | None = 16000, **kwargs):
        self.noise = noise
        self._load = [LoadAudio(mono=True)]
        if sample_rate is not None:
            self._load.append(ResampleAudio(sample_rate=sample_rate))
        self._bank = KaldiFbank(num_mel_bins=num_mel_bins, target_length=target_length)
        self._mask = SpecAugment(freqm, timem) if freqm or timem else None
        self._normalise = NormalizeSpectrogram(mean, std)
        super().__init__(ann_file, label_file, **kwargs)

    def prepare_data(self, idx: int) -> dict:
        """One finished clip."""
        index, streams = int(idx), self.streams(idx)
        mixture = self.choose_mixture(streams)
        results = self._sound(index)
        if mixture is not None:
            results['audio'] = mix_waveforms(results['audio'], self._sound(mixture[0], results)['audio'], mixture[1])
        results = self._bank(results)
        if self._mask is not None:
            results = self._mask({**results, 'rng': _Masks(streams)})
        bank = self._normalise(results)['audio']
        if self.noise:
            # Drawn frame by frame.
            bank = bank + streams.noise((bank.shape[2], bank.shape[1])).T * (streams.level() / 10)
            bank = torch.roll(bank, streams.shift(self.MAX_SHIFT), 2)
        sample = make_sample(self.names[index], self.label_of(index),
                             torch.from_numpy(self.target_of(index, mixture)))
        sample.set_field(results['audio_path'], 'audio_path', field_type='metainfo')
        return dict(inputs=dict(audio=bank), data_samples=sample)

    def _sound(self, index: int, like: dict | None = None) -> dict:
        results = dict(audio_path=self.path_of(index, 0), sample_id=self.names[index])
        for step in self._load:
            results = step(results)
        if like is not None and results['sample_rate'] != like['sample_rate']:
            results = ResampleAudio(sample_rate=like['sample_rate'])(results)
        return results


class _Masks:
    """What a mask needs of a NumPy generator, from the streams of a clip."""

    def __init__(self, streams: GlobalStreams):
        self.random = streams.unit


def mix_waveforms(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Mix two waveforms ``(1, L)`` without their means; the second is cut or padded with zeros to the first."""
    first, second = first - first.mean(), second - second.mean()
    length = first.shape[1]
    second = torch.nn.functional.pad(second[:, :length], (0, max(0, length - second.shape[1])))
    return share * first + (1 - share) * second
