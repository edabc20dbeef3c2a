"""Make a synthetic UCF-GZSL: sequences from which unseen classes can really be recognised, in the real shape.

Nothing of the real features is in it. Names of the classes are those of UCF101, and so are the numbers of classes and
of clips in each stage and the lengths of clips (a sequence has a step of frames every 0.64 s and one of sound every
0.96 s, or one of each every second). Which classes are unseen, and their word vectors, are made; with ``--official``
they come from the published files, with the names of the clips::

    data/ucf_gzsl_synthetic/
        class-split/                                  all_class.txt, cls_split/, main_split/ and a table of phrases
        word_embeddings_ucf_normed.npy                dictionary from phrases to vectors (300,)
        features/cls_features_non_averaged.h5         sound (T, 128) uint8, frames (T, 4096), packed
        features/main_features_non_averaged.h5        sound (T, 512), frames (T, 512), packed
        features/cls_features.h5  main_features.h5    their means over time
        meta.json                                     options, sizes and a fingerprint of the content

How the features are made. Word vectors that are made have structure: each class has a place in a space of `attributes`
dimensions, which a random map brings to 300, with a little of its own. A clip means something at every step: the word
vector of its class in `presence` of the steps and nothing in the others, plus a mixture of word vectors that is the
same in all of the clip, plus one that changes with every step (`variation`). One random linear map takes meanings to
units of frames and another to units of sound; unit noise, a threshold and a ReLU follow, and sound becomes bytes. A
model that learns these maps from seen classes knows the others by their word vectors.

Each clip has random numbers of its own: the same options give the same content everywhere.
"""
from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli, track
from avmm.utils.embedded import build_folder, check_ranges
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser
from projects.tcaf.tcaf.class_splits import (
    CLASS_SPLITS,
    STAGES,
    TEST_SEEN,
    TEST_UNSEEN,
    TRAIN,
    VAL_SEEN,
    VAL_UNSEEN,
    ClassSplit,
    read_class_split,
)
from projects.tcaf.tcaf.feature_files import ClassFile
from projects.tcaf.tcaf.packing import ClipWriter, averaged
from projects.tcaf.tcaf.splitting import read_clip_lists
from projects.tcaf.tcaf.word_vectors import class_vectors, find_word_vectors, read_word_vectors

EXAMPLES = """
python projects/tcaf/tools/make_synthetic.py
python projects/tcaf/tools/make_synthetic.py --share 1 --dtype float32 --out data/ucf_gzsl_full
python projects/tcaf/tools/make_synthetic.py --official data/avgzsl/UCF --out data/ucf_gzsl_official_words
"""
NAME = 'synthetic UCF-GZSL'
#: Classes of UCF101 (Soomro et al., 2012).
_UCF_NAMES = """ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch
    Basketball BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles BodyWeightSquats Bowling
    BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth CleanAndJerk CliffDiving CricketBowling CricketShot
    CuttingInKitchen Diving Drumming Fencing FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing
    Haircut HammerThrow Hammering HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding HulaHoop
    IceDancing JavelinThrow JugglingBalls JumpRope JumpingJack Kayaking Knitting LongJump Lunges MilitaryParade Mixing
    MoppingFloor Nunchucks ParallelBars PizzaTossing PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar
    PlayingPiano PlayingSitar PlayingTabla PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting
    RockClimbingIndoor RopeClimbing Rowing SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving
    SoccerJuggling SoccerPenalty StillRings SumoWrestling Surfing Swing TableTennisShot TaiChi TennisSwing ThrowDiscus
    TrampolineJumping Typing UnevenBars VolleyballSpiking WalkingWithDog WallPushups WritingOnBoard YoYo"""
UCF_CLASSES = tuple(_UCF_NAMES.split())
#: Classes and clips of each stage of UCF-GZSL; ``cls_split`` tests on six of the unseen classes.
CLASS_COUNTS = {TRAIN: 30, VAL_UNSEEN: 12, TEST_UNSEEN: 9}
CLIP_COUNTS = {TRAIN: 3174, VAL_SEEN: 353, VAL_UNSEEN: 1467, TEST_SEEN: 555, TEST_UNSEEN: 1267}
CLS_UNSEEN = 6
LEAST = 5  # clips of a class in a stage, if there are as many
WORD_SIZE = 300
#: Seconds of a step, and channels, of sound and of frames.
KINDS = {'cls': ((0.96, 128), (0.64, 4096)), 'main': ((1.0, 512), (1.0, 512))}
THRESHOLD = 1.0  # standard deviations of the noise that a unit has to pass: five of six stay below


@dataclass(frozen=True)
class Options:
    """What decides the content of the data set; see the command line for what each means."""
    share: float = 0.2
    dtype: str = 'float16'
    attributes: int = 10
    strength: float = 0.6
    variation: float = 0.5
    presence: float = 0.6
    seed: int = 0
    official: str | None = None

    def check(self) -> None:
        """Raise :class:`ConfigError` for a value that makes no data set."""
        check_ranges(self, dict(share=(0.01, 1), attributes=(1, WORD_SIZE), strength=(0, 100), variation=(0, 100),
                                presence=(0, 1), seed=(0, 2**63)))


@dataclass(frozen=True)
class Plan:
    """Classes, their words and the clips to make.

    Attributes:
        split: All classes with the division of ``main_split``.
        words: Word vectors of all classes ``(A, 300)``, by number.
        clips: ``{(stage, class): names of its clips}``.
    """
    split: ClassSplit
    words: np.ndarray
    clips: dict[tuple[str, str], list[str]]


# Classes, words and clips -------------------------------------------------------------------------------------------

def made_plan(options: Options) -> Plan:
    """A division, words and names of clips that are made."""
    rng = np.random.default_rng((options.seed, 0))
    chosen = rng.choice(UCF_CLASSES, sum(CLASS_COUNTS.values()), replace=False).tolist()
    train, val_unseen, test_unseen = (sorted(part) for part in np.split(
        np.array(chosen), np.cumsum(list(CLASS_COUNTS.values()))[:-1]))
    stages = {TRAIN: train, VAL_SEEN: train, VAL_UNSEEN: val_unseen, TEST_SEEN: [*train, *val_unseen],
              TEST_UNSEEN: test_unseen}
    phrases = {name: re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name) for name in UCF_CLASSES}
    split = ClassSplit.of(UCF_CLASSES, stages, phrases)
    places = rng.standard_normal((len(UCF_CLASSES), options.attributes))
    words = places @ rng.standard_normal((options.attributes, WORD_SIZE)) / np.sqrt(options.attributes)
    words += 0.3 * rng.standard_normal(words.shape)
    words = (words / np.linalg.norm(words, axis=1, keepdims=True)).astype(np.float32)
    clips, number = {}, {}
    for stage in STAGES:
        names = [split.names[i] for i in split.stages[stage]]
        for name, part in zip(names, np.array_split(np.arange(CLIP_COUNTS[stage]), len(names)), strict=True):
            first = number.get(name, 0)
            number[name] = first + len(part)
            clips[stage, name] = [f'v_{name}_g{i // 7 + 1:02d}_c{i % 7 + 1:02d}'
                                  for i in range(first, first + len(part))]
    return Plan(split, words, clips)


def official_plan(options: Options) -> Plan:
    """The published division, words and names of clips."""
    folder = Path(options.official)
    split = read_class_split(folder, 'main_split')
    vectors = read_word_vectors(find_word_vectors(folder, 'cls_features_non_averaged'))
    return Plan(split, class_vectors(vectors, split, 'by_class'), read_clip_lists(folder, 'main_split'))


def shared_out(plan: Plan, options: Options) -> dict[tuple[str, str], list[str]]:
    """A share of the clips of every class, and a few at least."""
    if options.share == 1:
        return plan.clips
    kept = {}
    for i, (key, clips) in enumerate(plan.clips.items()):
        rng = np.random.default_rng((options.seed, 1, i))
        count = min(len(clips), max(LEAST, round(len(clips) * options.share)))
        kept[key] = [clips[j] for j in sorted(rng.choice(len(clips), count, replace=False))]
    return kept


def write_classes(root: Path, plan: Plan, options: Options) -> None:
    """Write the division, the phrases and the word vectors, or copy the published ones."""
    folder = root / 'class-split'
    if options.official:
        source = next(Path(options.official, name) for name in ('class-split', 'class_split', '.')
                      if Path(options.official, name, 'all_class.txt').is_file())
        shutil.copytree(source, folder)
        shutil.copyfile(find_word_vectors(options.official, 'cls_features_non_averaged'),
                        root / 'word_embeddings_ucf_normed.npy')
        return
    split = plan.split
    for division in CLASS_SPLITS:
        (folder / division).mkdir(parents=True)
        for stage, members in split.stages.items():
            names = [split.names[i] for i in members]
            if division == 'cls_split' and stage == TEST_UNSEEN:
                names = names[:CLS_UNSEEN]
            (folder / division / f'{stage}.txt').write_text('\n'.join(names) + '\n')
    (folder / 'all_class.txt').write_text('\n'.join(split.names) + '\n')
    with open(folder / 'ucf_w2v_class_names.csv', 'w', newline='') as file:
        csv.writer(file).writerows([('original', 'manual'), *zip(split.names, split.manual, strict=True)])
    vectors = dict(zip(split.manual, plan.words, strict=True))
    np.save(root / 'word_embeddings_ucf_normed.npy', np.array(vectors, dtype=object))


# Features -----------------------------------------------------------------------------------------------------------

class Scenery:
    """Makes the features of one clip after the other.

    Args:
        kind: ``'cls'`` or ``'main'``.
        words: Word vectors of all classes ``(A, 300)``.
        options: What decides the content.
    """

    def __init__(self, kind: str, words: np.ndarray, options: Options):
        self.options, self.rates = options, [rate for rate, _ in KINDS[kind]]
        self.words = words - words.mean(0)
        self.use = list(KINDS).index(kind)
        rng = np.random.default_rng((options.seed, 2, self.use))
        self.maps = [rng.standard_normal((words.shape[1], units), dtype=np.float32) for _, units in KINDS[kind]]
        self.bytes = kind == 'cls'

    def clip(self, stage: int, label: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Sound ``(T, D)`` and frames ``(T, D)`` of a clip, its stage, class and number being the seed."""
        rng = np.random.default_rng((self.options.seed, 3, stage, label, number))
        # UCF101 has clips of 7.2 s in the mean, of 1 s to far above 30 s.
        seconds = float(np.clip(rng.lognormal(1.84, 0.5), 1.1, 30))
        theme, parts = self._mixtures(rng, 1), []
        for rate, units in zip(self.rates, self.maps, strict=True):
            steps = max(1, int(seconds / rate))
            meaning = self.words[label] * (rng.random((steps, 1)) < self.options.presence)
            meaning = meaning + self.options.variation / np.sqrt(2) * (theme + self._mixtures(rng, steps))
            values = rng.standard_normal((steps, units.shape[1]), dtype=np.float32)
            values += (self.options.strength * meaning).astype(np.float32) @ units
            values -= np.float32(THRESHOLD)
            parts.append(np.maximum(values, 0, out=values))
        if self.bytes:
            parts[0] = np.minimum(parts[0] * 80, 255).astype(np.uint8)
        return parts[0], parts[1]

    def _mixtures(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random mixtures of word vectors ``(count, 300)``, of unit length."""
        mixed = rng.standard_normal((count, len(self.words)), dtype=np.float32) @ self.words
        return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def fill(root: Path, options: Options) -> dict:
    """Write the whole data set into the empty folder ``root`` and return facts for ``meta.json``."""
    plan = official_plan(options) if options.official else made_plan(options)
    write_classes(root, plan, options)
    clips, digest = shared_out(plan, options), hashlib.sha256(plan.words.tobytes())
    files, sizes = sorted(clips, key=lambda key: (STAGES.index(key[0]), key[1])), dict.fromkeys(STAGES, 0)
    for kind, (sound, frames) in KINDS.items():
        scenery = Scenery(kind, plan.words, options)
        channels = dict(audio=sound[1], visual=frames[1])
        types = dict(audio='uint8' if scenery.bytes else options.dtype, visual=options.dtype)
        with ExitStack() as stack:
            writers = {form: stack.enter_context(ClipWriter(
                root / 'features' / f'{kind}_features{suffix}.h5', form, files, channels,
                types if form == 'temporal' else dict.fromkeys(channels, 'float32'), NAME))
                for form, suffix in (('temporal', '_non_averaged'), ('averaged', ''))}
            for stage, name in track(files, f'{NAME}: {kind}'):
                made = [scenery.clip(STAGES.index(stage), plan.split.number(name), i)
                        for i in range(len(clips[stage, name]))]
                both = {m: ClassFile(clips[stage, name], [clip[i] for clip in made])
                        for i, m in enumerate(('audio', 'visual'))}
                writers['temporal'].add(stage, name, both)
                writers['averaged'].add(stage, name, {m: averaged(file) for m, file in both.items()})
                for sounds, seen in made:
                    digest.update(sounds.tobytes() + seen[:, ::64].tobytes())
    for (stage, _), names in clips.items():
        sizes[stage] += len(names)
    return dict(sizes=sizes, fingerprint=digest.hexdigest())


def build(out: str | os.PathLike, options: Options, overwrite: bool = False) -> dict:
    """Make the data set at ``out``, the whole of it or nothing, and return the content of ``meta.json``.

    Raises:
        ConfigError: If an option makes no sense.
        DataError: If another data set is at ``out`` already, or the official files are not what they should be.
    """
    options.check()
    return build_folder(out, NAME, asdict(options), lambda root: fill(root, options), overwrite)


def main(argv: list[str] | None = None) -> None:
    """Make the data set that the command line describes."""
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--out', type=resolve_data_root, default='data/ucf_gzsl_synthetic',
                        help='folder to make (default: data/ucf_gzsl_synthetic)')
    parser.add_argument('--official', help='folder of the published UCF-GZSL, for its splits, clips and word vectors')
    for name, text in (('share', 'share of the clips of every class'), ('attributes', 'dimensions of made words'),
                       ('strength', 'of the meaning beside the noise of a unit'),
                       ('variation', 'of the meaning, beside that of the class'),
                       ('presence', 'share of the steps that show the class'), ('seed', 'seed of everything')):
        default = getattr(Options, name)
        parser.add_argument(f'--{name}', type=type(default), default=default, help=f'{text} (default: {default})')
    parser.add_argument('--dtype', choices=['float16', 'float32'], default=Options.dtype,
                        help=f'type of packed features (default: {Options.dtype})')
    parser.add_argument('--overwrite', action='store_true', help='replace what is there')
    args = parser.parse_args(argv)
    options = {name: value for name, value in vars(args).items() if name not in ('out', 'overwrite')}
    meta = build(resolve_data_root(args.out), Options(**options), args.overwrite)
    print(f'{args.out}: {NAME}, ' + ', '.join(f'{count} clips of {stage}' for stage, count in meta['sizes'].items()))


if __name__ == '__main__':
    run_cli(main)
