"""Plain reference of the data pipeline: librosa and Pillow, one item at a time.

What a research script does for CREMA-D and Kinetics-Sounds: read the wav, resample it to 22,050 Hz with librosa,
repeat and cut it, a short-time Fourier transform, the logarithm; open the jpg with Pillow, random crop, flip and
normalise with torchvision. Nothing is shared with ``avmm``.
"""
from __future__ import annotations

import librosa
import numpy as np
import soundfile
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PlainClips(Dataset):
    """Clips of one wav and some jpgs.

    Args:
        clips: ``(path of the wav, paths of the jpgs, label)`` each.
        seconds: Length that the sound is repeated and cut to; None keeps it as it is.
        image_size: Side of the square frames, in pixels.
        training: Random crop and flip, or a plain resize.
        n_fft: Length of the Fourier transform, in samples.
        hop: Step of the Fourier transform, in samples.
        sample_rate: Rate that the sound is resampled to, in Hz.
    """

    def __init__(self, clips: list[tuple[str, list[str], int]], seconds: float | None = 3.0, image_size: int = 224,
                 training: bool = True, n_fft: int = 512, hop: int = 353, sample_rate: int = 22050):
        self.clips, self.seconds = clips, seconds
        self.n_fft, self.hop, self.sample_rate = n_fft, hop, sample_rate
        crop = [transforms.RandomResizedCrop(image_size), transforms.RandomHorizontalFlip()] if training else \
            [transforms.Resize((image_size, image_size))]
        self.image_transform = transforms.Compose([*crop, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.clips)

    def spectrogram(self, path: str) -> torch.Tensor:
        """Log-magnitude spectrogram ``(1, F, T)``."""
        wave, rate = soundfile.read(path, dtype='float32')
        if wave.ndim == 2:
            wave = wave.mean(1)
        if rate != self.sample_rate:
            wave = librosa.resample(wave, orig_sr=rate, target_sr=self.sample_rate)
        if self.seconds is not None:
            length = int(self.seconds * self.sample_rate)
            wave = np.tile(wave, -(-length // len(wave)))[:length]
        wave = np.clip(wave, -1, 1)
        spectrum = librosa.stft(wave, n_fft=self.n_fft, hop_length=self.hop, pad_mode='constant')
        return torch.from_numpy(np.log(np.abs(spectrum) + 1e-7)).float()[None]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        audio_path, frame_paths, label = self.clips[index]
        frames = [self.image_transform(Image.open(path).convert('RGB')) for path in frame_paths]
        return self.spectrogram(audio_path), torch.stack(frames, 1), label


def build_loader(clips: list[tuple[str, list[str], int]], batch_size: int, num_workers: int, **options) -> DataLoader:
    """A shuffled loader over the clips, as a plain script writes it."""
    # Workers stay between epochs: otherwise each new one loads librosa again, and the comparison would be unfair.
    return DataLoader(PlainClips(clips, **options), batch_size=batch_size, shuffle=True, num_workers=num_workers,
                      drop_last=True, persistent_workers=num_workers > 0)
