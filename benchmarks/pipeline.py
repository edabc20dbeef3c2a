"""Samples a second of the data pipeline alone, of the training step alone, and of both together."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.timing import now


class Feed:
    """The batches of a loader without end, epoch after epoch, and the seconds spent waiting for them."""

    def __init__(self, loader: DataLoader):
        self.loader, self.epoch, self.waited = loader, 0, 0.0
        self._batches: Iterator | None = None

    def next(self) -> Any:
        """The next batch; a new epoch begins where one ends."""
        start = now()
        try:
            while True:
                if self._batches is None:
                    if hasattr(self.loader.sampler, 'set_epoch'):
                        self.loader.sampler.set_epoch(self.epoch)
                    self._batches = iter(self.loader)
                    self.epoch += 1
                try:
                    return next(self._batches)
                except StopIteration:
                    self._batches = None
        finally:
            self.waited += now() - start

    @property
    def ahead(self) -> int:
        """Batches that the workers may have ready before they are asked for."""
        return self.loader.num_workers * (self.loader.prefetch_factor or 0)


def batch_size_of(batch: Any) -> int:
    """Samples of a batch of ours, or of a plain tuple whose last part is the labels."""
    return len(batch['data_samples'] if isinstance(batch, dict) else batch[-1])


class DataCase:
    """The loader alone.

    What the workers had ready before a repeat began, while another case had its turn, is taken off first.
    """

    def __init__(self, loader: DataLoader, iters: int):
        self.feed, self.iters = Feed(loader), iters

    def __call__(self) -> tuple[float, float]:
        """``(samples, seconds)`` of one repeat."""
        for _ in range(self.feed.ahead):
            self.feed.next()
        start = now()
        samples = sum(batch_size_of(self.feed.next()) for _ in range(self.iters))
        return samples, now() - start


class StepCase:
    """The training step alone, on one batch that is there already."""

    def __init__(self, model, optim_wrapper, batch: dict, iters: int):
        self.model, self.optim_wrapper, self.batch, self.iters = model.train(), optim_wrapper, batch, iters
        self.samples = batch_size_of(batch)

    def __call__(self) -> float:
        """Samples of one repeat."""
        for _ in range(self.iters):
            self.model.train_step(self.batch, self.optim_wrapper)
        return self.iters * self.samples


class BothCase:
    """Loader and step in turn, as in training."""

    def __init__(self, model, optim_wrapper, loader: DataLoader, iters: int):
        self.model, self.optim_wrapper = model.train(), optim_wrapper
        self.feed, self.iters = Feed(loader), iters
        self.waiting: list[float] = []

    def __call__(self) -> tuple[float, float]:
        """``(samples, seconds)`` of one repeat; the share lost to waiting is added to ``waiting``."""
        for _ in range(self.feed.ahead):
            self.feed.next()
        self.feed.waited, samples = 0.0, 0
        start = now()
        for _ in range(self.iters):
            batch = self.feed.next()
            self.model.train_step(batch, self.optim_wrapper)
            samples += batch_size_of(batch)
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        seconds = now() - start
        self.waiting.append(self.feed.waited / seconds)
        return samples, seconds


def plain_task(dataset) -> tuple[list[tuple[str, list[str], int]], dict]:
    """What a plain reference needs to do the work of a data set of ours: its files, and lengths and sizes.

    Returns:
        Clips ``(path of the wav, paths of the jpgs, label)``, and the options of ``PlainClips``.
    """
    from avmm.datasets.transforms.loading_frames import list_frames
    steps = {type(step).__name__: step for step in flat_steps(dataset.pipeline.transforms)}
    chooser = steps['LoadFrames'].sampler
    clips = []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        frames = info['frame_paths'] if 'frame_paths' in info else list_frames(info['frame_dir'])
        chosen = chooser.choose(len(frames), info['rng'], info['sample_id'])
        clips.append((info['audio_path'], [frames[k] for k in chosen], info['gt_label']))
    spectrogram, crop = steps['LogSpectrogram'], steps['RandomResizedCrop']
    length = steps['CropOrRepeatAudio'].length if 'CropOrRepeatAudio' in steps else None
    rate = steps['ResampleAudio'].sample_rate
    side = crop.size[0] if isinstance(crop.size, (tuple, list)) else crop.size
    return clips, dict(seconds=None if length is None else length / rate, image_size=side, sample_rate=rate,
                       n_fft=spectrogram.n_fft, hop=spectrogram.hop_length)


def flat_steps(steps: list) -> Iterator:
    """The steps of a pipeline, those inside other steps too."""
    for step in steps:
        yield step
        yield from flat_steps(getattr(step, 'transforms', ()))
