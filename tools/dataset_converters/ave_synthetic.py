"""Make a synthetic AVE: features with events to find, in exactly the files of the real data set.

Nothing of the real features is in it. Labels come from the published statistics of AVE (4143 videos of 28 classes, one
event of whole seconds in each, 3339/402/402 videos stratified by class), or from the official label files with
``--official``::

    data/ave_synthetic/                            h5 files hold one contiguous data set, `avadataset` or `order`
        visual_feature.h5      (N, S, g, g, 512)   float64    as pool5 of VGG-19: a map a second, channels last, >= 0
        visual_feature_vec.h5  (N, S, 512)         float64    its spatial mean
        audio_feature.h5       (N, S, 128)         float64    as VGGish: >= 0, about 65 % zeros
        labels.h5              (N, S, 29)          int64      one-hot a second, 28 is background
        mil_labels.h5          (N, 29)             float32    one-hot class of the video
        labels_closs.h5        (N, S)              float32    1 inside the event
        {train,val,test}_order.h5  {train,val,test}_order_match.h5        int64      rows of the splits
        visual_feature_noisy.h5  audio_feature_noisy.h5  labels_noisy.h5  videos without an event, for weak training
        Annotations.txt                            Category&YouTubeID&Quality&Start&End, a line a row
        meta.json                                  options, sizes and a fingerprint of the content

How the features are made. Each class has a random direction among the 128 units of sound and the 512 of sight. Classes
sound alike in families of four and look alike in other families of four, so that either modality alone leaves a
doubt that both together lift. Each video renders every class a little differently (`variation`). A second of sound is
noise, plus the direction of the class that is heard. A second of sight is a grid of cells of noise: the class that is
seen fills a small block of cells (`event-size`) that wanders now and then, while other cells show things of other
classes all the time (`clutter`); what is heard tells which of them counts. In the seconds of the event its class is
both heard and seen. In other seconds it is heard only or seen only (`lone` of them), and of the rest half have the
sound of another class. Background videos are such seconds from beginning to end. At last a threshold and a ReLU leave
the units above it.

Every number is exact in float32. Each row has random numbers of its own: one row never changes another, and the same
options give the same content everywhere.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from avmm.datasets.ave_files import (  # noqa: E402
    ANNOTATIONS,
    AVE_CLASSES,
    BACKGROUND,
    KEY,
    NUM,
    ORDER_KEY,
    Annotations,
    one_hot,
    read_annotations,
    read_array,
    read_order,
)
from avmm.utils import ConfigError, DataError  # noqa: E402
from avmm.utils.cli import run_cli, track  # noqa: E402
from avmm.utils.embedded import build_folder, check_ranges  # noqa: E402

NAME = 'synthetic AVE'
#: How many videos of AVE each class has, in the order of the classes (Tian et al., ECCV 2018).
CLASS_COUNTS = (188, 176, 171, 184, 188, 175, 178, 187, 172, 163, 182, 138, 102, 99,
                186, 176, 160, 183, 100, 83, 69, 160, 60, 64, 180, 109, 154, 156)
#: How many events of AVE last so many seconds.
LENGTH_COUNTS = {10: 2750, 9: 95, 8: 111, 7: 139, 6: 200, 5: 196, 4: 217, 3: 220, 2: 214, 0: 1}
VIDEOS, HELD_OUT, BACKGROUND_VIDEOS = 4143, 402, 178
AUDIO_UNITS, VISUAL_UNITS = 128, 512
FAMILY = 4  # classes that sound alike; those that look alike are every seventh one, so that no two do both
THRESHOLD = 0.385  # standard deviations of the noise that a unit has to pass: 65 % stay below
AUDIO_SCALE = 0.52  # brings the mean of a unit of sound to 0.12, that of real VGGish features
SPLITS = ('train', 'val', 'test')
ORDERS = (*SPLITS, *(f'{split}_match' for split in SPLITS))


@dataclass(frozen=True)
class Options:
    """What decides the content of the data set; see the command line for what each means."""
    videos: int = 400
    background: int = 17
    grid: int = 3
    segments: int = 10
    dtype: str = 'float64'
    audio_signal: float = 0.3
    visual_signal: float = 1.5
    noise: float = 1.0
    likeness: float = 0.8
    variation: float = 0.6
    event_size: float = 0.34
    clutter: float = 0.15
    lone: float = 0.7
    seed: int = 0
    official: str | None = None

    def check(self) -> None:
        """Raise :class:`ConfigError` for a value that makes no data set."""
        check_ranges(self, dict(
            videos=(BACKGROUND, 10**7), background=(1, 10**6), grid=(1, 64), segments=(2, 1000), seed=(0, 2**63),
            audio_signal=(0, 100), visual_signal=(0, 100), noise=(0, 100), likeness=(0, 1), variation=(0, 100),
            event_size=(0, 1), clutter=(0, 1), lone=(0, 1)))
        if self.official and self.segments != 10:
            raise ConfigError(f'--segments {self.segments}: the official labels have 10 segments a video')


def share_out(weights: Sequence[int], total: int, least: int = 0) -> np.ndarray:
    """Whole numbers that sum to ``total``, as close to the proportions of ``weights`` as can be, and >= ``least``."""
    exact = np.asarray(weights, float) * total / np.sum(weights)
    parts = np.maximum(np.floor(exact).astype(int), least)
    while parts.sum() != total:
        step = 1 if parts.sum() < total else -1
        gap = np.where((step < 0) & (parts <= least), -np.inf, step * (exact - parts))
        parts[np.argmax(gap)] += step
    return parts


def drawn_table(options: Options, rng: np.random.Generator) -> Annotations:
    """Videos grouped by class, with the published shares of classes and lengths of events."""
    n, segments = options.videos, options.segments
    classes = np.repeat(np.arange(BACKGROUND), share_out(CLASS_COUNTS, n, least=1))
    counts = share_out(list(LENGTH_COUNTS.values()), n)
    lengths = np.repeat(np.rint(np.array(list(LENGTH_COUNTS)) * segments / 10).astype(int), counts)
    lengths = rng.permutation(lengths)
    starts = rng.integers(0, segments - lengths + 1)
    letters = np.array(list('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'))
    ids = [''.join(row) for row in letters[rng.integers(0, len(letters), (n, 11))]]
    return Annotations(tuple(ids), classes, np.stack([starts, starts + lengths], 1))


def drawn_orders(table: Annotations, segments: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rows of the splits: 80/10/10 in each class, and the other split that cross-modality matching has."""
    n = len(table.classes)
    held_out = max(1, round(n * HELD_OUT / VIDEOS))
    counts = np.bincount(table.classes, minlength=BACKGROUND)
    val = share_out(counts, held_out)
    # Where a class has too few videos for both, another one stands in for it.
    test = np.minimum(val, counts - val)
    test += share_out(counts - val - test, held_out - test.sum())
    parts: dict[str, list] = {split: [] for split in SPLITS}
    for c in range(BACKGROUND):
        rows = rng.permutation(np.flatnonzero(table.classes == c))
        for split, some in zip(('val', 'test', 'train'), np.split(rows, [val[c], val[c] + test[c]]), strict=True):
            parts[split].append(some)
    orders = {split: np.concatenate(rows) for split, rows in parts.items()}
    # As in the official files, matching is tested on short events and validated on the first classes alone.
    length = np.diff(table.spans)[:, 0]
    test = rng.permutation(np.flatnonzero((length > 0) & (length < segments)))[:held_out]
    rest = np.setdiff1d(np.arange(n), test)
    return {**orders, 'train_match': rest[held_out:], 'val_match': rest[:held_out], 'test_match': test}


def order_file(name: str) -> str:
    """Stem of the file with the rows of a split of ``ORDERS``."""
    split, match, _ = name.partition('_match')
    return f'{split}_order{match}'


def official_labels(folder: Path) -> tuple[Annotations, dict[str, np.ndarray]]:
    """Videos and splits of the official files.

    Raises:
        DataError: If a file is missing or wrong, or the files do not agree with each other.
    """
    table = read_annotations(folder / ANNOTATIONS)
    orders = {name: read_order(folder / f'{order_file(name)}.h5', len(table.names)) for name in ORDERS}
    for name, made in label_arrays(table, 10).items():
        path = folder / f'{name}.h5'
        if path.is_file() and not np.array_equal(read_array(path), made):
            raise DataError(f'{path}: does not agree with {ANNOTATIONS}')
    return table, orders


def labels_of(options: Options) -> tuple[Annotations, dict[str, np.ndarray]]:
    """Videos and splits: drawn, or the official ones, all or a share of each class."""
    rng = np.random.default_rng((options.seed, 0))
    if not options.official:
        table = drawn_table(options, rng)
        return table, drawn_orders(table, options.segments, rng)
    table, orders = official_labels(Path(options.official))
    n = len(table.classes)
    if options.videos > n:
        raise ConfigError(f'--videos {options.videos}: {options.official} has {n}')
    if options.videos == n:
        return table, orders
    share = share_out(np.bincount(table.classes, minlength=BACKGROUND), options.videos, least=1)
    kept = np.sort(np.concatenate([rng.permutation(np.flatnonzero(table.classes == c))[:share[c]]
                                   for c in range(BACKGROUND)]))
    place = np.full(n, -1)
    place[kept] = np.arange(len(kept))
    orders = {name: place[order][place[order] >= 0] for name, order in orders.items()}
    empty = [name for name, order in orders.items() if not len(order)]
    if empty:
        raise ConfigError(f'--videos {options.videos}: leaves no video in {", ".join(empty)}; ask for more')
    names = tuple(table.names[i] for i in kept)
    return Annotations(names, table.classes[kept], table.spans[kept]), orders


def label_arrays(table: Annotations, segments: int) -> dict[str, np.ndarray]:
    """The label files, by name."""
    return dict(labels=one_hot(table.segments(segments), 'int64'), mil_labels=one_hot(table.classes),
                labels_closs=table.mask(segments).astype(np.float32))


def annotation_lines(table: Annotations) -> str:
    """The content of Annotations.txt."""
    return ''.join(f'{AVE_CLASSES[c]}&{name}&good&{start}&{end}\n'
                   for c, name, (start, end) in zip(table.classes, table.names, table.spans, strict=True))


def directions(units: int, family: np.ndarray, options: Options, use: int) -> np.ndarray:
    """The direction of each class ``(28, units)``, partly that of its family, in standard normal numbers."""
    rng = np.random.default_rng((options.seed, 1, use))
    shared, own = rng.standard_normal((2, BACKGROUND, units))
    mixed = np.sqrt(options.likeness) * shared[family] + np.sqrt(1 - options.likeness) * own
    return mixed.astype(np.float32)


class Scenery:
    """Makes the features of one video after the other."""

    def __init__(self, options: Options):
        self.options = options
        classes = np.arange(BACKGROUND)
        self.sound = directions(AUDIO_UNITS, classes // FAMILY, options, 0)
        self.sight = directions(VISUAL_UNITS, classes % (BACKGROUND // FAMILY), options, 1)

    def video(self, part: int, row: int, label: int, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Features of one video: audio ``(S, 128)`` and visual ``(S, g, g, 512)``, float32.

        Args:
            part: 2 for the videos of AVE, 3 for the background ones; with ``row`` it seeds the random numbers.
            row: Row in the files.
            label: Class of the event.
            start: First second of the event.
            end: Second after its last one; equal to ``start`` if there is no event.
        """
        o = self.options
        rng = np.random.default_rng((o.seed, part, row))
        heard, seen = self._what_happens(rng, label, start, end)
        audio = self._rendered(rng, self.sound, heard, o.audio_signal)
        visual = self._rendered(rng, self.sight, self._what_stands(rng, seen, label), o.visual_signal)
        return audio * np.float32(AUDIO_SCALE), visual

    def _what_happens(self, rng: np.random.Generator, label: int, start: int, end: int) -> tuple[np.ndarray, ...]:
        """The class that is heard and that is seen in each second ``(S,)``, -1 where none is."""
        lone, other = self.options.lone, (label + rng.integers(1, BACKGROUND)) % BACKGROUND
        lot = rng.random(self.options.segments)
        heard = np.select([lot < lone / 2, (lot >= lone) & (lot < (1 + lone) / 2)], [label, other], -1)
        seen = np.where((lot >= lone / 2) & (lot < lone), label, -1)
        heard[start:end] = seen[start:end] = label
        return heard, seen

    def _what_stands(self, rng: np.random.Generator, seen: np.ndarray, label: int) -> np.ndarray:
        """The class that each cell shows in each second ``(S, g, g)``, -1 for none."""
        o, side = self.options, max(1, round(self.options.event_size * self.options.grid))
        blocks = -(-o.grid // side)
        others = (label + rng.integers(1, BACKGROUND, (blocks, blocks))) % BACKGROUND
        others[rng.random((blocks, blocks)) >= o.clutter] = -1
        cells = np.repeat(np.repeat(others, side, 0), side, 1)[:o.grid, :o.grid]
        cells = np.tile(cells, (o.segments, 1, 1))
        moves = rng.integers(-1, 2, (o.segments, 2)) * (rng.random((o.segments, 1)) < 0.2)
        moves[0] = rng.integers(0, o.grid - side + 1, 2)
        places = np.clip(np.cumsum(moves, 0), 0, o.grid - side)
        for second in np.flatnonzero(seen >= 0):
            y, x = places[second]
            cells[second, y:y + side, x:x + side] = seen[second]
        return cells

    def _rendered(self, rng: np.random.Generator, means: np.ndarray, shown: np.ndarray, strength: float) -> np.ndarray:
        """Features ``(..., units)`` of the classes ``shown (...)``."""
        o = self.options
        looks = rng.standard_normal((NUM, means.shape[1]), dtype=np.float32)
        looks[:-1] = strength * (means + np.float32(o.variation) * looks[:-1])
        looks[-1] = 0  # index -1: nothing
        units = rng.standard_normal((*shown.shape, means.shape[1]), dtype=np.float32)
        units *= np.float32(o.noise)
        units += looks[shown]
        units -= np.float32(THRESHOLD * o.noise)
        return np.maximum(units, 0, out=units)


def fill(root: Path, options: Options) -> dict:
    """Write the whole data set into the empty folder ``root`` and return facts for ``meta.json``."""
    import h5py

    table, orders = labels_of(options)
    scenery, digest = Scenery(options), hashlib.sha256()
    small = {name: (KEY, made) for name, made in label_arrays(table, options.segments).items()}
    small['labels_noisy'] = (KEY, one_hot(np.full(options.background, BACKGROUND)))
    small.update({order_file(name): (ORDER_KEY, order.astype(np.int64)) for name, order in orders.items()})
    for name, (key, array) in small.items():
        with h5py.File(root / f'{name}.h5', 'w') as file:
            file.create_dataset(key, data=array)
        digest.update(name.encode() + array.tobytes())
    lines = annotation_lines(table).encode()
    (root / ANNOTATIONS).write_bytes(lines)
    digest.update(lines)
    # The class that is heard or seen now and then in a background video.
    themes = np.random.default_rng((options.seed, 4)).integers(0, BACKGROUND, options.background)
    videos = [(2, '', c, span) for c, span in zip(table.classes, table.spans, strict=True)]
    videos += [(3, '_noisy', c, (0, 0)) for c in themes]
    with ExitStack() as stack:
        stores = open_stores(root, options, stack)
        for i, (part, suffix, label, span) in enumerate(track(videos, NAME)):
            place = i if part == 2 else i - options.videos
            audio, visual = scenery.video(part, place, int(label), *map(int, span))
            stores[f'audio_feature{suffix}'][place] = audio
            stores[f'visual_feature{suffix}'][place] = visual
            if part == 2:
                stores['visual_feature_vec'][place] = visual.mean((1, 2))
            digest.update(audio.tobytes() + visual.tobytes())
    sizes = dict({name: len(order) for name, order in orders.items()}, background=options.background)
    return dict(sizes=sizes, fingerprint=digest.hexdigest())


def open_stores(root: Path, options: Options, stack: ExitStack) -> dict:
    """The data sets of the features, by name of the file: contiguous, to be written row by row."""
    import h5py
    n, s, cells = options.videos, options.segments, (options.grid, options.grid, VISUAL_UNITS)
    shapes = dict(audio_feature=(n, s, AUDIO_UNITS), visual_feature=(n, s, *cells),
                  visual_feature_vec=(n, s, VISUAL_UNITS), audio_feature_noisy=(options.background, s, AUDIO_UNITS),
                  visual_feature_noisy=(options.background, s, *cells))
    return {name: stack.enter_context(h5py.File(root / f'{name}.h5', 'w')).create_dataset(
        KEY, shape, options.dtype) for name, shape in shapes.items()}


def build(out: str | os.PathLike, options: Options, overwrite: bool = False) -> dict:
    """Make the data set at ``out``, the whole of it or nothing, and return the content of ``meta.json``.

    Raises:
        ConfigError: If an option makes no sense.
        DataError: If another data set is at ``out`` already, or the official files are not what they should be.
    """
    options.check()
    return build_folder(out, NAME, asdict(options), lambda root: fill(root, options), overwrite)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Examples:\n'
        '  python tools/dataset_converters/ave_synthetic.py --out data/ave_synthetic\n'
        '  python tools/dataset_converters/ave_synthetic.py --out data/ave_full --videos 4143 --grid 7   # 8.4 GB\n'
        '  python tools/dataset_converters/ave_synthetic.py --out data/ave_official --official data/ave')
    d = Options()
    add = parser.add_argument
    add('--out', type=Path, default=Path('data/ave_synthetic'), help='folder to make (%(default)s)')
    add('--official', type=Path, metavar='DIR', help='take labels and splits from the official files in DIR')
    add('--videos', type=int, help=f'number of videos ({d.videos}; with --official all of them)')
    add('--background', type=int, help='number of background videos (in proportion to 178 for 4143 videos)')
    add('--grid', type=int, default=d.grid, help='cells a side of the visual maps (%(default)s; official 7)')
    add('--segments', type=int, default=d.segments, help='segments of one second a video (%(default)s)')
    add('--dtype', choices=['float64', 'float32'], default=d.dtype, help='of the features on disk (%(default)s)')
    for name, text in (
            ('audio_signal', 'strength of what is heard, against the noise'),
            ('visual_signal', 'strength of what is seen, against the noise'),
            ('noise', 'standard deviation of the noise of a unit; 0 leaves the classes alone'),
            ('likeness', 'share of a direction that the classes of a family have in common, 0 to 1'),
            ('variation', 'how differently videos render a class, against the direction of the class'),
            ('event_size', 'side of the block of cells that an event fills, as a share of the grid'),
            ('clutter', 'share of cells that show things of other classes, 0 to 1'),
            ('lone', 'share of background seconds in which the class of the video is only heard or only seen')):
        add(f'--{name.replace("_", "-")}', type=float, default=getattr(d, name), help=f'{text} (%(default)s)')
    add('--seed', type=int, default=d.seed, help='seed of every choice (%(default)s)')
    add('--overwrite', action='store_true', help='replace what is at --out')
    return parser.parse_args(argv)


def options_from(args: argparse.Namespace) -> Options:
    """Options of a command line, with the numbers of videos that are not given."""
    values = {name: getattr(args, name) for name in Options.__dataclass_fields__}
    if args.official:
        values['official'] = os.path.abspath(args.official)
        if args.videos is None:
            values['videos'] = len(read_annotations(args.official / ANNOTATIONS).names)
    elif args.videos is None:
        values['videos'] = Options.videos
    if args.background is None:
        values['background'] = max(1, round(values['videos'] * BACKGROUND_VIDEOS / VIDEOS))
    return Options(**values)


def main() -> None:
    args = parse_args()
    options = options_from(args)
    # A polite kill cleans up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        meta = build(args.out, options, args.overwrite)
    finally:
        signal.signal(signal.SIGTERM, before)
    sizes = ', '.join(f'{size} {name}' for name, size in meta['sizes'].items() if '_' not in name)
    print(f'{args.out}: {sizes} videos, fingerprint {meta["fingerprint"][:12]}')


if __name__ == '__main__':
    run_cli(main)
