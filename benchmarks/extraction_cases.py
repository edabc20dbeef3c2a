"""The extraction engine: its decoding without a model, and what it adds to the time of the model alone."""
from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction import Clip, Extraction, FeatureExtractor, Item, Layout, Shard, StoreRun, clips_of
from avmm.extraction.engine import build_extractors
from avmm.extraction.workers import load_clip
from avmm.utils.config import load_config
from benchmarks.timing import Timing, now, synchronise, use_clock


def copies(folder: str, count: int, media: str | None = None) -> list[str]:
    """Copies of one clip: of ``media``, of the clip with sound in ``AVMM_REAL_DATA``, or of a made one."""
    real = Path(os.environ.get('AVMM_REAL_DATA') or '-', 'media', 'clip_with_sound.avi')
    source = Path(media) if media else real if real.is_file() else _made(folder)
    paths = [os.path.join(folder, f'{i:04d}{source.suffix}') for i in range(count)]
    for path in paths:
        shutil.copyfile(source, path)
    return paths


def _made(folder: str) -> Path:
    """Six and a half seconds of a moving pattern, 240 x 320 at 25 frames a second."""
    from avmm.media import write_video
    y, x = np.mgrid[:240, :320]
    frames = [np.stack([(x + 3 * i) % 256, (y + 2 * i) % 256, (x + y - i) % 256], -1) for i in range(164)]
    write_video(Path(folder, 'made.mp4'), np.array(frames, np.uint8), 25)
    return Path(folder, 'made.mp4')


class WithoutModel(FeatureExtractor):
    """An extractor that loads as another one, and computes nothing.

    Args:
        inner: The other one.
    """

    def __init__(self, inner: FeatureExtractor):
        super().__init__()
        self.inner, self.modality, self.batch_size = inner, inner.modality, inner.batch_size
        self.spec = ArraySpec((1, ))

    def load(self, media) -> Tensor:
        """The units of the other one."""
        return self.inner.load(media)

    def forward(self, units: Tensor) -> Tensor:
        """The first number of each unit ``(M, 1)``."""
        return units[(slice(None), *[0] * (units.ndim - 1))][:, None].float()

    def finish(self, features: Tensor) -> np.ndarray:
        """Their mean ``(1,)``."""
        return super().finish(features.mean(0))


class DecodeCase:
    """Decoding, resizing and batching of clips in worker processes, the model excluded.

    Args:
        cfg: Config with ``extractors`` and ``media``.
        paths: The clips.
        num_workers: Worker processes; started before the time counts, as a run has them from its beginning to its end.
    """

    def __init__(self, cfg: Mapping, paths: list[str], num_workers: int):
        loaders = {name: WithoutModel(extractor) for name, extractor in build_extractors(cfg['extractors']).items()}
        self.engine = Extraction(loaders, num_workers=num_workers, media=cfg.get('media'))
        self.clips = [Clip(path, 0.0, None, (path, )) for path in paths]

    def __call__(self) -> int:
        """Clips of one repeat."""
        failed = [result.error for result in self.engine.run(self.clips) if result.error]
        assert not failed, failed[0]
        return len(self.clips)


class ModelCase:
    """The models alone on the units of the clips, which are in memory, in batches of the same size.

    Args:
        extractors: Extractors by name, on the device.
        paths: The clips.
    """

    def __init__(self, extractors: Mapping[str, FeatureExtractor], paths: list[str], device: torch.device):
        self.extractors, self.device, self.count = extractors, device, len(paths)
        # All are copies of one.
        units = load_clip(extractors, Clip(paths[0], 0.0, None, ('', )), {}).units
        self.units = {name: torch.cat([value] * self.count) for name, value in units.items()}

    def __call__(self) -> int:
        """Clips of one repeat."""
        with torch.inference_mode():
            for name, extractor in self.extractors.items():
                units, size = self.units[name], extractor.batch_size
                for first in range(0, len(units), size):
                    extractor(units[first:first + size].to(self.device)).cpu()
        return self.count


class EngineCase:
    """A run of the engine, from files to a store.

    Args:
        extractors: Extractors by name.
        paths: The clips.
        num_workers: Worker processes.
        device: Where the models run.
        folder: For the stores.
        media: Options of the decoder.
    """

    def __init__(self, extractors: Mapping[str, FeatureExtractor], paths: list[str], num_workers: int,
                 device: torch.device, folder: str, media: Mapping | None = None):
        self.engine = Extraction(extractors, device, num_workers, media=media)
        self.items = [Item(Path(path).stem, path) for path in paths]
        assert len(clips_of(self.items)) == len(paths)
        self.folder, self.runs = folder, 0

    def __call__(self) -> int:
        """Clips of one repeat."""
        self.runs += 1
        layout = Layout(Path(self.folder, f'rank{os.environ.get("RANK", 0)}-{self.runs}.h5'), Shard())
        report = StoreRun(self.engine, self.items, layout).run()
        assert report.status == 0, report.lines()
        return len(self.items)


def build(config: str, folder: str, args: argparse.Namespace) -> dict:
    """The model alone and the engine, by name; ``args`` as of the command."""
    from avmm.utils.tooling import pick_device
    device, cfg = pick_device(args.device), load_config(config, args.cfg_options)
    paths = copies(folder, args.iters, args.media)
    extractors = build_extractors(cfg.extractors)
    engine = EngineCase(extractors, paths, 1 if args.workers is None else args.workers, device, folder,
                        cfg.get('media'))
    return {'model alone': ModelCase(extractors, paths, device), 'engine': engine}


def measure_rank(config: str, settings: dict) -> dict[str, list[float]]:
    """Seconds a clip of both cases in every round, on one of several ranks that begin each repeat together."""
    args, seconds = argparse.Namespace(**settings), {}
    use_clock(args.clock)
    with tempfile.TemporaryDirectory() as folder:
        cases = build(config, folder, args)
        for turn in range(args.warm_up + args.repeats):
            for name in list(cases)[::1 if turn % 2 else -1]:
                dist.barrier()
                start = now()
                clips = cases[name]()
                synchronise()
                if turn >= args.warm_up:
                    seconds.setdefault(name, []).append((now() - start) / clips)
    return seconds


def measure_ranks(config: str, args: argparse.Namespace) -> dict:
    """Timings of both cases on ``args.ranks`` ranks: a round takes as long as its ranks do on average."""
    from avmm.testing import run_ranks
    wanted = ('cfg_options', 'clock', 'device', 'iters', 'media', 'repeats', 'warm_up', 'workers')
    ranks = run_ranks(measure_rank, args.ranks, (config, {name: getattr(args, name) for name in wanted}), timeout=3600)
    return {name: Timing([statistics.mean(times) for times in zip(*(rank[name] for rank in ranks), strict=True)])
            for name in ('model alone', 'engine')}
