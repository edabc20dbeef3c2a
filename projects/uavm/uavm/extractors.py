"""The extractors that make UAVM's features, for the extraction engine."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from avmm.datasets.feature_store import ArraySpec
from avmm.datasets.transforms import KaldiFbank, NormalizeSpectrogram
from avmm.engine.checkpoint import load_checkpoint, load_state_dict
from avmm.extraction import FeatureExtractor, Media
from avmm.media.check import check_file
from avmm.models.encoders.weights import fill_weights, read_weights
from avmm.registry import EXTRACTORS, MODELS
from avmm.utils import ConfigError, DataError, optional_import
from projects.uavm.uavm import converter
from projects.uavm.uavm.frames import normalised_frames

#: Turns that ffmpeg makes for a display matrix, by the degrees against the clock.
_TURNS = {-90: [('transpose', 'clock')], 90: [('transpose', 'cclock')], 180: [('hflip', ''), ('vflip', '')],
          -180: [('hflip', ''), ('vflip', '')]}


@EXTRACTORS.register_module()
class UAVMAudioFeatures(FeatureExtractor):
    """A ConvNeXt on log-mel filter banks: a feature for each 32 frames, about a third of a second.

    The filter banks are those of :class:`~projects.uavm.uavm.datasets.UAVMAudioDataset` in evaluation; the features
    the maps of the last stage, averaged over the frequencies (UAVM, Gong et al., 2022, section III). 990 frames of
    VGGSound give ``(30, 1024)``, 1000 of AudioSet ``(31, 1024)``, float32.

    Args:
        weights: Checkpoint of a trained :class:`~projects.uavm.uavm.UAVMAudioExtractor`, or the official one; None
            leaves the weights at random.
        size: Size of the ConvNeXt, as :class:`~avmm.models.encoders.ConvNeXtEncoder` takes it.
        target_length: Frames to which the filter banks are padded or cut.
        num_mel_bins: Bands.
        mean: Mean of the filter banks in training.
        std: Their standard deviation.
        sample_rate: Rate in Hz of the sound.
        dtype: Type of the features.
        trust_checkpoint: Whether the checkpoint may run code; only for files you trust.
        seed: Seed of random weights.
        **options: Further options of the ConvNeXt.
    """

    modality = 'audio'
    batch_size = 200

    def __init__(self, weights: str | None = None, size: str | Mapping = 'base', target_length: int = 990,
                 num_mel_bins: int = 128, mean: float = -5.081, std: float = 4.4849, sample_rate: int = 16000,
                 dtype: str = 'float32', trust_checkpoint: bool = False, seed: int = 0, **options):
        super().__init__()
        self.encoder = seeded_encoder(seed, dict(size=size, in_channels=1, **options))
        if weights is not None:
            state = encoder_state(load_checkpoint(weights, trust=trust_checkpoint), 'audio')
            load_state_dict(self.encoder, state, weights)
        self.sample_rate = sample_rate
        self._bank = KaldiFbank(num_mel_bins=num_mel_bins, target_length=target_length)
        self._normalise = NormalizeSpectrogram(mean, std)
        steps = target_length // 4 // 2 // 2 // 2
        if not steps or num_mel_bins < 32:
            raise ConfigError(f'UAVMAudioFeatures: {target_length} frames of {num_mel_bins} bands are too few; the '
                              'network divides both by 32')
        self.spec = ArraySpec((steps, self.encoder.out_channels), dtype)

    def load(self, media: Media) -> Tensor:
        """Filter banks of the clip, one unit ``(1, 1, num_mel_bins, target_length)``."""
        sound = torch.from_numpy(media.sound(self.sample_rate, mono=True))
        results = self._bank(dict(audio=sound, sample_rate=self.sample_rate, audio_path=media.path))
        return self._normalise(results)['audio'][None]

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, T', D)`` of filter banks ``(M, 1, F, T)``."""
        return self.encoder.feature_steps(units)

    def finish(self, features: Tensor) -> np.ndarray:
        """Those of the one unit, ``(T', D)``."""
        return super().finish(features[0])


@EXTRACTORS.register_module()
class UAVMVisualFeatures(FeatureExtractor):
    """A ConvNeXt on three frames a second: the maps of the last stage, averaged over space, without a norm.

    The frames are what ffmpeg's filters ``fps`` and ``scale`` give: ``fps`` frames a second, the shorter side
    ``short_side`` pixels, nothing cut off (UAVM, Gong et al., 2022, section III). Features are ``(frames, 1024)``,
    float16, whatever the number of frames.

    Args:
        weights: File of ImageNet weights in torchvision's names, or checkpoint of a classifier of frames trained here;
            None leaves the weights at random.
        size: Size of the ConvNeXt, as :class:`~avmm.models.encoders.ConvNeXtEncoder` takes it.
        fps: Frames a second.
        short_side: Shorter side in pixels.
        l2_normalize: Whether each feature is divided by its length.
        dtype: Type of the features.
        seed: Seed of random weights.
        **options: Further options of the ConvNeXt.
    """

    modality = 'visual'
    batch_size = 64

    def __init__(self, weights: str | None = None, size: str | Mapping = 'base', fps: float = 3, short_side: int = 224,
                 l2_normalize: bool = False, dtype: str = 'float16', seed: int = 0, **options):
        super().__init__()
        if fps <= 0 or short_side < 32:
            raise ConfigError(f'UAVMVisualFeatures: fps must be above 0 and short_side at least 32, got {fps} and '
                              f'{short_side}')
        options.update(size=size, in_channels=3, normalise=False)
        state = {} if weights is None else encoder_state(read_weights(weights), 'visual')
        self.encoder = seeded_encoder(seed, dict(options, weights=None if state else weights))
        if state:
            fill_weights(self.encoder, state, weights)
        self.fps, self.short_side, self.l2_normalize = fps, short_side, l2_normalize
        self.spec = ArraySpec((None, self.encoder.out_channels), dtype)

    def load(self, media: Media) -> Tensor:
        """Frames uint8 ``(N, 3, H, W)``."""
        frames = filtered_frames(media.path, self.fps, self.short_side, media.start, media.duration)
        return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()

    def forward(self, units: Tensor) -> Tensor:
        """Features ``(M, D)`` of frames ``(M, 3, H, W)``."""
        features = self.encoder(normalised_frames(units))
        return torch.nn.functional.normalize(features, dim=1) if self.l2_normalize else features


def seeded_encoder(seed: int, options: Mapping):
    """A ConvNeXt whose random weights follow from ``seed``: all parts of an extraction have the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS.build(dict(type='ConvNeXtEncoder', **options))


def encoder_state(checkpoint: Mapping, modality: str) -> dict[str, Tensor]:
    """Weights of the encoder of ``modality`` from a checkpoint of a classifier, ours or the official one of sound.

    Empty if the checkpoint is of no classifier of that modality.
    """
    state = checkpoint.get('state_dict', checkpoint)
    if modality == 'audio' and any(name.removeprefix('module.').startswith('model.') for name in state):
        state = converter.from_official(state, 'audio_extractor')
    prefix = f'encoders.{modality}.'
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


# Frames ------------------------------------------------------------------------------------------------------------

def scaled_size(height: int, width: int, short_side: int = 224) -> tuple[int, int]:
    """``(height, width)`` with the shorter side ``short_side``, the longer one rounded down.

    Example:
        >>> scaled_size(720, 1280)
        (224, 398)
    """
    if height >= width:
        return int(height * short_side / width), short_side
    return short_side, int(width * short_side / height)


def filtered_frames(path: str, fps: float = 3, short_side: int = 224, start: float = 0.0,
                    duration: float | None = None) -> np.ndarray:
    """Frames of a video as ``ffmpeg -vf fps=FPS,scale=W:H -pix_fmt rgb24`` gives them, uint8 ``(N, H, W, 3)``.

    Args:
        path: The video.
        fps: Frames a second.
        short_side: Shorter side in pixels.
        start: Beginning of the part to take, in s.
        duration: Its length in s; None takes all that follows.

    Raises:
        DataError: If it cannot be decoded or has no frames there.
    """
    check_file(path)
    av = optional_import('av', 'video')
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise DataError(f'{path}: the file has no picture')
            stream = container.streams.video[0]
            stream.thread_type = 'NONE'
            frames = _filter(av, _part(container, stream, start, duration), stream, fps, short_side)
    except av.error.FFmpegError as error:
        raise DataError(f'{path}: not a readable video ({error.strerror or error})') from None
    if not frames:
        raise DataError(f'{path}: no frames between {start:g} s and the end of the clip')
    return np.stack(frames)


def _part(container, stream, start: float, duration: float | None):
    """Decoded frames of a part, times counted from its beginning."""
    first = float(start) / stream.time_base + (stream.start_time or 0)
    end = None if duration is None else first + duration / stream.time_base
    if start:
        container.seek(int(first), stream=stream)
    for frame in container.decode(stream):
        if frame.pts is None or frame.pts < first:
            continue
        if end is not None and frame.pts >= end:
            return
        frame.pts = int(frame.pts - first) if start else frame.pts
        yield frame


def _filter(av, frames, stream, fps: float, short_side: int) -> list[np.ndarray]:
    graph, taken = None, []

    def drain() -> None:
        while True:
            try:
                taken.append(graph.pull().to_ndarray())
            except (BlockingIOError, av.error.EOFError):
                return

    for frame in frames:
        if graph is None:
            graph = _graph(av, stream, frame, fps, short_side)
        graph.push(frame)
        drain()
    if graph is not None:
        graph.push(None)
        drain()
    return taken


def _graph(av, stream, frame, fps: float, short_side: int):
    turns = _TURNS.get(getattr(frame, 'rotation', 0), [])
    height, width = frame.height, frame.width
    if any(name == 'transpose' for name, _ in turns):
        height, width = width, height
    height, width = scaled_size(height, width, short_side)
    rate = Fraction(fps).limit_denominator(1000)
    graph = av.filter.Graph()
    # Of the type of the frames: what the container says may differ.
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=stream.time_base)
    steps = [*turns, ('fps', f'fps={rate.numerator}/{rate.denominator}'), ('scale', f'{width}:{height}'),
             ('format', 'pix_fmts=rgb24')]
    chain = [source, *(graph.add(name, options) for name, options in steps), graph.add('buffersink')]
    for one, other in zip(chain, chain[1:], strict=False):
        one.link_to(other)
    graph.configure()
    return graph


def published_order(count: int, seed: int | None = None, chunk: int = 10) -> np.ndarray:
    """The order in which the published program goes through ``count`` videos, int64.

    Chunks of ten neighbours are shuffled; the last one is filled up with the first video, which is so done again. The
    extraction engine needs no such order; this one tells which videos an interrupted run of that program has done.

    Args:
        count: Number of videos.
        seed: Seed of NumPy's legacy generator; None draws from the global one.
        chunk: Videos of a chunk.
    """
    order = np.concatenate([np.arange(count), np.zeros(-count % chunk, np.int64)]).astype(np.int64).reshape(-1, chunk)
    (np.random if seed is None else np.random.RandomState(seed)).shuffle(order)
    return order.reshape(-1)
