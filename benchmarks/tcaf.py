"""Plain reference of the data and the evaluation of TCAF (Mercea et al., ECCV 2022), and how fast ours are beside it.

  python -m benchmarks.tcaf data --data-root data/bench_gzsl    clips in batches of 64, ours with one worker
  python -m benchmarks.tcaf search                              calibrations of 6241 clips among 271 classes

The way the research script does it: the whole split is a list of arrays in memory; an item is a clip and one of
another class, with their words; the collation pads each sequence of both, and makes tensors of lists of arrays. The
evaluation computes distances, both kinds of answers and all recalls anew for each calibration. Nothing of the
reference is shared with ``avmm``.
"""
from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from benchmarks.timing import Timing, in_turn, ratio, use_clock  # noqa: E402

CLIPS, SEEN, UNSEEN, SIZE, BETAS = 6241, 207, 64, 64, 16
#: What the published program was measured at, on an idle core: clips/s of its loader, and seconds of its search.
PUBLISHED_CLIPS, PUBLISHED_SEARCH = 59, 0.35


# The plain reference: data ------------------------------------------------------------------------------------------

class PlainClips(Dataset):
    """Clips of a split in memory, each with one of another class.

    Args:
        path: A packed file of sequences, of which all of the first stage are read.
        words: Word vectors ``(A, 300)``.
    """

    def __init__(self, path: str | Path, words: np.ndarray):
        with h5py.File(path) as file:
            rows = np.flatnonzero(file['arrays/stage'][:] == 0)
            self.targets, self.data = torch.from_numpy(file['arrays/class'][:][rows]), {}
            for name in ('audio', 'visual'):
                offsets = file[f'offsets/{name}'][:]
                self.data[name] = [file[f'arrays/{name}'][offsets[i]:offsets[i + 1]].astype(
                    'uint8' if name == 'audio' else 'float32') for i in rows]
        self.words = words
        self.classes = set(self.targets.tolist())
        self.members = {c: np.where(self.targets == c)[0] for c in self.classes}

    def __len__(self) -> int:
        return len(self.targets)

    def _one(self, index: int) -> dict:
        target = self.targets[index].item()
        word = self.words[sorted(self.classes).index(target)]
        return dict(audio=self.data['audio'][index], visual=self.data['visual'][index], word=word, target=target)

    def __getitem__(self, index: int) -> tuple[dict, dict]:
        positive = self._one(index)
        other = np.random.choice(list(self.classes - {positive['target']}))
        return positive, self._one(np.random.choice(self.members[other]))


def plain_block(clips: list[dict]) -> dict[str, Tensor]:
    """One padded batch of clips."""
    batch: dict[str, Tensor] = {}
    for name, rate in (('audio', 0.96), ('visual', 0.64)):
        longest = max(len(clip[name]) for clip in clips)
        rows, masks = [], []
        for clip in clips:
            missing = longest - len(clip[name])
            rows.append(np.pad(clip[name], ((0, missing), (0, 0))))
            mask = np.ones(longest)
            mask[longest - missing:] = 0
            masks.append(mask)
        batch[name] = torch.FloatTensor(rows)
        batch[f'{name}_mask'] = torch.FloatTensor(masks)
        batch[f'{name}_time'] = torch.tensor([np.arange(longest) * rate for _ in clips])
    batch['word'] = torch.FloatTensor([clip['word'] for clip in clips])
    return batch


def plain_collate(items: list[tuple[dict, dict]]) -> tuple[dict, dict, Tensor]:
    """Padded batches of clips and of those of other classes, and the classes."""
    positives, negatives = zip(*items, strict=True)
    return plain_block(positives), plain_block(negatives), torch.tensor([clip['target'] for clip in positives])


class PlainSampler:
    """Batches of independent draws, every class equally likely."""

    def __init__(self, targets: Tensor, batch_size: int, batches: int):
        classes, counts = targets.unique(return_counts=True)
        share = {c: 1 / len(classes) / n for c, n in zip(classes.tolist(), counts.tolist(), strict=True)}
        self.weights = torch.tensor([share[c] for c in targets.tolist()], dtype=torch.float64)
        self.batch_size, self.batches = batch_size, batches

    def __len__(self) -> int:
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            yield torch.multinomial(self.weights, self.batch_size, replacement=True).tolist()


# The plain reference: evaluation ------------------------------------------------------------------------------------

def plain_recalls(answers: Tensor, targets: Tensor, total: int) -> Tensor:
    """Recall of each of ``total`` classes."""
    return torch.bincount(targets[answers == targets], minlength=total) / torch.bincount(targets, minlength=total)


def plain_evaluation(clips: Tensor, words: Tensor, targets: Tensor, seen: Tensor, unseen: Tensor, beta: float,
                     total: int) -> tuple[float, ...]:
    """S, U, HM and ZSL for one calibration."""
    classes = torch.cat([seen, unseen]).sort()[0]
    distances = torch.full((len(clips), total), 1e14)
    distances.index_copy_(1, classes, torch.cdist(clips, words))
    shift = torch.full((total, ), beta)
    shift[unseen] = 0
    recalls = plain_recalls((distances + shift).argmin(1), targets, total)
    only = torch.zeros(total)
    only[seen] = 1e14
    zsl = plain_recalls((distances + only).argmin(1), targets, total)[unseen].mean()
    s, u = recalls[seen].mean(), recalls[unseen].mean()
    return s.item(), u.item(), (2 * u * s / (u + s + np.finfo(float).eps)).item(), zsl.item()


def plain_search(clips: Tensor, words: Tensor, targets: Tensor, seen: Tensor, unseen: Tensor, total: int) -> tuple:
    """The values of the calibration with the best HM, and that calibration."""
    betas = np.linspace(0, 3, BETAS)
    found = [plain_evaluation(clips, words, targets, seen, unseen, float(beta), total) for beta in betas]
    best = int(np.argmax([values[2] for values in found]))
    return (*found[best], betas[best])


# Measurements -------------------------------------------------------------------------------------------------------

def report(title: str, timings: dict[str, Timing], base: str) -> None:
    """Print medians, spreads, and the ratio of the plain reference to each."""
    print(title)
    for name, timing in timings.items():
        print(f'  {name:<34} {1e3 * timing.median:9.3f} ms ± {100 * timing.spread:4.1f} %   '
              f'{ratio(timing, timings[base]):6.1f} x')


def batches_of(loader: DataLoader, size: int) -> Callable[[], float]:
    """A pass over a loader, which returns how many clips it had."""
    def run() -> float:
        return float(sum(size for _ in loader))
    return run


def measure_data(args: argparse.Namespace) -> None:
    """Clips of the training split, in batches, by each way."""
    from avmm.datasets import av_collate
    from projects.tcaf.tcaf import GZSLDataset, GZSLSampler
    cases: dict[str, Callable[[], float]] = {}
    options = dict(batch_size=args.batch_size, num_workers=1, persistent_workers=True)
    for name, negatives in (('ours', False), ('ours with negatives', True)):
        dataset = GZSLDataset(args.data_root, negatives=negatives)
        loader = DataLoader(dataset, sampler=GZSLSampler(dataset, args.batches, args.batch_size, seed=0),
                            collate_fn=av_collate, **options)
        cases[name] = batches_of(loader, args.batch_size)
    plain = PlainClips(dataset.store_path, dataset.all_words.numpy())
    # A batch of the reference takes a second, so a few are enough; it runs in this process, which spares it the way
    # from another one.
    few = max(1, args.batches // 20)
    cases['plain'] = batches_of(DataLoader(plain, batch_sampler=PlainSampler(plain.targets, args.batch_size, few),
                                           collate_fn=plain_collate), args.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        timings = in_turn(cases, args.repeats)
    report(f'a clip, in batches of {args.batch_size}', timings, 'plain')
    print('  ' + ', '.join(f'{name} {1 / timing.median:.0f} clips/s' for name, timing in timings.items())
          + f'; the published program {PUBLISHED_CLIPS} clips/s on an idle core')


def measure_search(args: argparse.Namespace) -> None:
    """The search of the calibration by both ways, which agree."""
    from projects.tcaf.tcaf.evaluation import calibrate, embedding_distances
    generator = torch.Generator().manual_seed(0)
    total = SEEN + UNSEEN + 38
    chosen = torch.randperm(total, generator=generator)[:SEEN + UNSEEN]
    seen, unseen = chosen[:SEEN].sort()[0], chosen[SEEN:].sort()[0]
    ids = chosen.sort()[0]
    words = torch.randn(len(ids), SIZE, generator=generator).relu()
    rows = torch.cat([torch.arange(len(ids)), torch.randint(len(ids), (CLIPS - len(ids), ), generator=generator)])
    clips = (0.3 * words[rows] + torch.randn(CLIPS, SIZE, generator=generator)).relu()
    targets, found = ids[rows], {}

    def plain() -> int:
        found['plain'] = plain_search(clips, words, targets, seen, unseen, total)
        return 1

    def ours() -> int:
        values = calibrate(embedding_distances(clips, words), targets, ids, seen, unseen).summary()
        found['ours'] = tuple(values[name] for name in ('seen', 'unseen', 'hm', 'zsl', 'beta'))
        return 1

    timings = in_turn(dict(ours=ours, plain=plain), args.repeats)
    report(f'{BETAS} calibrations of {CLIPS} clips among {len(ids)} classes', timings, 'plain')
    gap = max(abs(a - b) for a, b in zip(found['ours'], found['plain'], strict=True))
    print(f'  largest difference of a value {gap:.1e}; the published program takes {1e3 * PUBLISHED_SEARCH:.0f} ms on '
          'an idle core')


def main() -> None:
    """Run the measurements that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=['data', 'search'])
    parser.add_argument('--data-root', default='data/bench_gzsl', help='a data set of make_synthetic.py')
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--batches', type=int, default=40, help='batches of a repeat (default: 40)')
    parser.add_argument('--repeats', type=int, default=7, help='repeats after one to warm up (default: 7)')
    parser.add_argument('--clock', choices=['cpu', 'wall'], default='cpu', help='(default: cpu)')
    args = parser.parse_args()
    torch.set_num_threads(1)
    use_clock(args.clock)
    dict(data=measure_data, search=measure_search)[args.what](args)


if __name__ == '__main__':
    main()
