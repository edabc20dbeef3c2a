"""Plain reference of UAVM's data and of its evaluation (IEEE Signal Processing Letters 2022), and what ours gain.

The way a research script does it: two NumPy files for each clip, four with mixup, each padded, normalised and rolled
for itself, labels from a dictionary for each clip; three passes over the validation set, in which both modalities are
run again for their mean; statistics class by class with four calls of scikit-learn, each of which sorts anew. Nothing
of it is shared with ``avmm``.

``tools/analysis_tools/benchmark.py`` compares the loaders; this file, run on its own, compares all of them, in
processor seconds of the processes that take part, of which other programs on the machine take nothing away.
"""
from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

EXAMPLES = """
python benchmarks/uavm_data.py
python benchmarks/uavm_data.py --what statistics --repeats 3
"""


# The reference -----------------------------------------------------------------------------------------------------

class PlainFeatures(Dataset):
    """A clip from its two files.

    Args:
        folder: Folder of the data.
        list_file: Its list of clips, relative to the folder.
        label_file: Its list of classes, relative to the folder.
        mixup: Probability that a clip is mixed.
        noise: Whether clips are rolled.
        smooth: Smoothing of the labels.
        modality: ``'av'``, ``'a'`` or ``'v'``.
    """

    def __init__(self, folder: str, list_file: str = 'clips.json', label_file: str = 'labels.csv', mixup: float = 0.0,
                 noise: bool = False, smooth: float = 0.0, modality: str = 'av', length: int = 30):
        self.folder, self.mixup, self.noise, self.smooth, self.length = Path(folder), mixup, noise, smooth, length
        self.modality = modality
        with open(self.folder / list_file, encoding='utf-8') as file:
            self.data = json.load(file)['data']
        with open(self.folder / label_file, newline='', encoding='utf-8') as file:
            self.index = {row['mid']: row['index'] for row in csv.DictReader(file)}

    def __len__(self) -> int:
        return len(self.data)

    def load(self, name: str) -> Tensor:
        """One array, padded and normalised."""
        value = torch.from_numpy(np.load(self.folder / name)).to(torch.float32)
        missing = self.length - value.shape[0]
        if missing > 0:
            value = nn.ZeroPad2d((0, 0, 0, missing))(value)
        elif missing < 0:
            value = value[:self.length]
        return nn.functional.normalize(value, dim=1)

    def pair(self, clip: dict) -> list[Tensor]:
        return [self.load(clip[key]) for letter, key in (('a', 'afeat'), ('v', 'vfeat')) if letter in self.modality]

    def __getitem__(self, i: int) -> tuple:
        clip = self.data[i]
        target = np.zeros(len(self.index)) + self.smooth / len(self.index)
        values = self.pair(clip)
        if random.random() < self.mixup:
            other = self.data[random.randint(0, len(self.data) - 1)]
            share = np.random.beta(10, 10)
            values = [share * a + (1 - share) * b for a, b in zip(values, self.pair(other), strict=True)]
            for label in clip['labels'].split(','):
                target[int(self.index[label])] += share * (1 - self.smooth)
            for label in other['labels'].split(','):
                target[int(self.index[label])] += (1 - share) * (1 - self.smooth)
        else:
            for label in clip['labels'].split(','):
                target[int(self.index[label])] = 1 - self.smooth
        if self.noise:
            shift = np.random.randint(-15, 15)
            values = [torch.roll(value, shift, 0) for value in values]
        return *values, torch.FloatTensor(target)


def plain_statistics(scores: np.ndarray, targets: np.ndarray) -> list[dict]:
    """Statistics of each class, four calls a class; curves are kept at every 1000th point."""
    from sklearn import metrics
    accuracy = metrics.accuracy_score(targets.argmax(1), scores.argmax(1))
    found = []
    for c in range(targets.shape[1]):
        ap = metrics.average_precision_score(targets[:, c], scores[:, c], average=None)
        auc = metrics.roc_auc_score(targets[:, c], scores[:, c], average=None)
        precision, recall, _ = metrics.precision_recall_curve(targets[:, c], scores[:, c])
        fpr, tpr, _ = metrics.roc_curve(targets[:, c], scores[:, c])
        found.append(dict(AP=ap, auc=auc, acc=accuracy, precision=precision[::1000], recall=recall[::1000],
                          fpr=fpr[::1000], fnr=1 - tpr[::1000]))
    return found


@torch.no_grad()
def plain_validation(model: Callable[[Tensor, str], Tensor], folder: str, batch_size: int) -> list[list[dict]]:
    """Three passes over the files: audio, video, both."""
    results = []
    for modality in ('a', 'v', 'av'):
        loader = DataLoader(PlainFeatures(folder, modality='av'), batch_size, num_workers=0)
        scores, targets = [], []
        for audio, video, target in loader:
            logits = [model(x, name) for x, name in ((audio, 'a'), (video, 'v')) if name in modality]
            scores.append(sum(logits) / len(logits))
            targets.append(target)
        results.append(plain_statistics(torch.cat(scores).numpy(), torch.cat(targets).numpy()))
    return results


def data(task) -> DataLoader:
    """The loader of a config's training data, from the files of the clips."""
    loader = task.cfg.train_dataloader.dataset
    dataset = PlainFeatures(loader.data_root, loader.ann_file, loader.label_file, loader.get('mixup', 0.0),
                            loader.get('noise', False), loader.get('label_smooth', 0.0))
    generator = torch.Generator().manual_seed(task.seed)
    return DataLoader(dataset, task.batch_size, sampler=RandomSampler(dataset, generator=generator), drop_last=True,
                      num_workers=task.num_workers)


#: What ``tools/analysis_tools/benchmark.py`` may ask for.
OFFERS = dict(data=data)


# Ours against it ---------------------------------------------------------------------------------------------------

def compare(cases: dict[str, Callable[[], int]], repeats: int) -> dict[str, float]:
    """Items a processor second of each, the median of the repeats, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, case in cases.items():
            start = time.process_time()
            done = case()
            if turn:
                seconds[name].append((time.process_time() - start) / done)
    return {name: 1 / float(np.median(values)) for name, values in seconds.items()}


def loaders(folder: Path, args: argparse.Namespace) -> dict[str, Callable[[], int]]:
    """Batches of training, in this process: the clips of a batch are those of a processor second of one worker."""
    from projects.uavm.uavm import UAVMDataPreprocessor, UAVMFeatureDataset
    lists = dict(ann_file='clips.json', label_file='labels.csv', data_root=str(folder))
    augment = dict(mixup=0.5, noise=True, label_smooth=0.1)
    plain = {'plain': PlainFeatures(str(folder)), 'plain, mixup and noise': PlainFeatures(str(folder), smooth=0.1,
             mixup=0.5, noise=True)}
    ours = UAVMFeatureDataset(**lists, store='features.h5', mode='batch', **augment)
    ours.full_init()
    files = UAVMFeatureDataset(**lists, **augment)
    preprocess, rng = UAVMDataPreprocessor(), np.random.default_rng(0)

    def indices() -> list[int]:
        return rng.integers(len(ours), size=144).tolist()

    def read_plain(dataset) -> int:
        torch.utils.data.default_collate([dataset[i] for i in indices()])
        return 144

    def read_files() -> int:
        from avmm.datasets import av_collate
        av_collate(files.__getitems__(indices()))
        return 144

    def read_ours(finish: bool) -> int:
        for _ in range(4):
            batch = ours.__getitems__(indices())
            if finish:
                preprocess(batch, training=True)
        return 4 * 144

    return {**{name: lambda own=own: read_plain(own) for name, own in plain.items()},
            'ours, a file a clip': read_files,
            'ours, the worker': lambda: read_ours(False), 'ours, worker and finished batch': lambda: read_ours(True)}


def statistics(folder: Path, args: argparse.Namespace) -> dict[str, Callable[[], int]]:
    """Statistics of 15,446 x 309 scores."""
    from projects.uavm.uavm.evaluation import class_statistics, middle_points
    rng = np.random.default_rng(0)
    labels = rng.integers(309, size=15446)
    labels[:309] = range(309)
    targets = np.eye(309, dtype=np.float32)[labels]
    scores = rng.standard_normal((15446, 309)).astype(np.float32) + targets
    plain = plain_statistics(scores[:, :20], targets[:, :20])
    found = class_statistics(scores, labels)
    np.testing.assert_allclose(found.AP[:20], [c['AP'] for c in plain], rtol=1e-6)
    np.testing.assert_allclose(found.AUC[:20], [c['auc'] for c in plain], rtol=1e-6)

    def with_middle() -> int:
        class_statistics(scores, labels)
        middle_points(scores, labels)
        return 1

    return {'plain': lambda: len(plain_statistics(scores, targets)) // 309,
            'ours': lambda: bool(class_statistics(scores, labels)), 'ours, with middle points': with_middle}


def validation(folder: Path, args: argparse.Namespace) -> dict[str, Callable[[], int]]:
    """An epoch of validation with the same weights."""
    from avmm.datasets import av_collate
    from avmm.registry import METRICS, MODELS
    from benchmarks.uavm import PlainUAVM
    from projects.uavm.uavm import UAVMFeatureDataset, converter
    width = args.width
    plain = PlainUAVM(width, 4, 3, 3).eval()
    model = MODELS.build(dict(type='UAVM', num_classes=309, channels=width,
                              data_preprocessor=dict(type='UAVMDataPreprocessor'))).eval()
    model.load_state_dict(converter.from_official(plain.state_dict()))
    dataset = UAVMFeatureDataset('clips.json', 'labels.csv', data_root=str(folder), store='features.h5', mode='batch',
                                 test_mode=True)
    metric = METRICS.build(dict(type='UAVMStatistics'))

    def ours() -> int:
        for first in range(0, len(dataset), 100):
            batch = av_collate(dataset.__getitems__(range(first, min(first + 100, len(dataset)))))
            metric.process(batch, [sample.to_dict() for sample in model.val_step(batch)])
        metric.evaluate(len(dataset))
        return len(dataset)

    return {'plain': lambda: len(plain_validation(plain, str(folder), 100)) // 3 * len(dataset), 'ours': ours}


WHAT = dict(loaders=loaders, statistics=statistics, validation=validation)


def main(argv: list[str] | None = None) -> None:
    from avmm.utils.paths import resolve_data_root
    from avmm.utils.tooling import REPO_ROOT, tool_parser
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--data', type=resolve_data_root, default=resolve_data_root('data/bench_uavm'),
                        help='folder of the features; made if it is absent (default: data/bench_uavm)')
    parser.add_argument('--what', nargs='+', choices=list(WHAT), default=list(WHAT), help='default: all')
    parser.add_argument('--repeats', type=int, default=5, help='repeats that count (default: 5)')
    parser.add_argument('--width', type=int, default=256, help='width of the model of the validation (default: 256)')
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    if not args.data.exists():
        import subprocess
        subprocess.run([sys.executable, str(REPO_ROOT / 'benchmarks/make_uavm_features.py'), '--out', str(args.data)],
                       check=True)
    units = dict(loaders='clips', statistics='matrices', validation='clips')
    for what in args.what:
        rates = compare(WHAT[what](args.data, args), args.repeats)
        base = rates['plain, mixup and noise'] if what == 'loaders' else rates['plain']
        print(f'{what}: {units[what]} a processor second')
        for name, rate in rates.items():
            print(f'  {name:<34} {rate:>10.2f}  {rate / base:>6.1f} x')


if __name__ == '__main__':
    from avmm.utils.cli import run_cli
    run_cli(main)
