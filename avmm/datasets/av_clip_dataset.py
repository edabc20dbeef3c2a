"""Audio-visual clips named in a list file."""
from __future__ import annotations

import csv
import difflib
import functools
import hashlib
import os
from collections.abc import Sequence

import numpy as np
from mmengine.dataset import force_full_init

from avmm.datasets.samplers import SampleIndex, sample_rng
from avmm.datasets.subsets import SummarisedDataset
from avmm.registry import DATASETS, TRANSFORMS
from avmm.utils import ConfigError, DataError
from avmm.utils.paths import checked_path, resolve_data_root

SPLITS = ('train', 'val', 'test')
# Last words of the entropy of replacements and of frozen variants: ordinary draws come from another stream.
_REPLACEMENT_STREAM = 2
_FROZEN_STREAM = 3


@DATASETS.register_module()
class AVClipDataset(SummarisedDataset):
    """Clips of sound and frames with one class each, named in a list file.

    A list file is a csv without a header, a clip a line, its class by name or by number::

        clip_0001,dog
        clip_0002,cat

    ``layout`` says where the files of a clip are, relative to ``data_root``; ``{id}``, ``{label}`` (class name),
    ``{index}`` (class number) and ``{part}`` (``train`` or ``test``) are filled in. Keys of the layout are
    ``audio_path``, and one of ``frame_dir`` (folder of images), ``image_path`` (one image) and ``video_path`` (a
    video, whose own sound track serves where there is no ``audio_path``)::

        layout=dict(audio_path='{part}/audio/{label}/{id}.wav', frame_dir='{part}/video/{label}/{id}')

    A subclass sets ``METAINFO['classes']``, ``LISTS`` and ``LAYOUT``, and overrides :meth:`parse_fields` if its lists
    have another form. :meth:`frames_of_video`, ``SOUND_RATE`` and ``SHORT_SIDE`` tell what becomes of a video that is
    to be a clip of the data set; inferencers treat files of users alike.

    Args:
        ann_file: List file, relative to ``data_root``. Defaults to that of the split in ``LISTS``.
        data_root: Folder of the data set; a leading ``data`` is replaced by ``$AVMM_DATA``.
        split: ``'train'``, ``'val'`` or ``'test'``. Validation clips are held out of the training list.
        val_fraction: Part of each class to hold out of training; ``'train'`` and ``'val'`` must agree on it.
        val_seed: Seed of the choice of these clips.
        layout: Where the files of a clip are. Defaults to ``LAYOUT`` of the class.
        data_prefix: Folder to put in front of a path of the layout, ``{key of the layout: folder}``.
        classes: Class names in the order of their numbers. Defaults to those of the data set.
        pipeline: Steps that load and transform a clip.
        on_error: ``'raise'``, or ``'skip'`` to put another clip in the place of one that cannot be read, in training
            only; the data sample then has the reason as ``replaced`` in its meta information.
        allowed_roots: Further folders in which files may lie.
        frozen_copies: Variants of each clip in training: the randomness of the pipeline is drawn once for each of
            them and then comes again. 0 draws anew each time.
        metainfo: More meta information of mmengine.
        indices: Which clips to use, as in mmengine.
        test_mode: Whether the data set is for evaluation: clips are never replaced.
        serialize_data: Whether the list is held as one block of bytes, which workers share.
        lazy_init: Whether the list is read at first use.
        max_refetch: Clips to try in the place of an unreadable one.

    Raises:
        DataError: If the list is missing or empty, or one of its lines is wrong (named as file:line).
        ConfigError: If the options cannot be.
    """

    LISTS: dict[str, str] = {}
    LAYOUT: dict[str, str] = {}
    FIELDS: tuple[str, ...] = ('clip', 'label')
    #: Rate (Hz) of the mono wav of 16 bits that a sound track becomes; None takes the track as it is.
    SOUND_RATE: int | None = None
    #: Longest shorter side (pixels) of the images that frames become; None keeps their size.
    SHORT_SIDE: int | None = None

    def __init__(self, ann_file: str = '', data_root: str = '', split: str = 'train', val_fraction: float = 0.0,
                 val_seed: int = 0, layout: dict[str, str] | None = None, data_prefix: dict[str, str] | None = None,
                 classes: Sequence[str] | None = None, pipeline: Sequence = (), on_error: str = 'raise',
                 allowed_roots: Sequence[str] = (), frozen_copies: int = 0, metainfo: dict | None = None,
                 indices=None, test_mode: bool = False, serialize_data: bool = True, lazy_init: bool = False,
                 max_refetch: int = 100):
        if split not in SPLITS:
            raise ConfigError(f'split must be one of {", ".join(SPLITS)}, got {split!r}')
        if not 0 <= val_fraction < 1:
            raise ConfigError(f'val_fraction must lie in 0 to 1, got {val_fraction}')
        if split == 'val' and val_fraction == 0:
            raise ConfigError("split='val' needs a val_fraction above 0, the same as that of the training split")
        if on_error not in ('raise', 'skip'):
            raise ConfigError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
        self.split = split
        self.val_fraction = val_fraction
        self.val_seed = val_seed
        self.on_error = on_error
        self.frozen_copies = frozen_copies
        self.layout = dict(self.LAYOUT if layout is None else layout)
        self._check_layout(data_prefix or {})
        root = os.fspath(resolve_data_root(data_root))
        self._real_roots = [os.path.realpath(root), *(os.path.realpath(r) for r in allowed_roots)]
        self._labels: np.ndarray | None = None
        metainfo = dict(metainfo or {})
        if classes is not None:
            metainfo['classes'] = tuple(classes)
        super().__init__(ann_file=ann_file or self.LISTS.get(self.part, ''), metainfo=metainfo, data_root=root,
                         data_prefix={}, indices=indices, serialize_data=serialize_data,
                         pipeline=[TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline],
                         test_mode=test_mode, lazy_init=lazy_init, max_refetch=max_refetch)

    # Lists ---------------------------------------------------------------------------------------------------------

    @property
    def part(self) -> str:
        """The official part that the split is taken from: ``'train'`` or ``'test'``."""
        return 'test' if self.split == 'test' else 'train'

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their numbers; empty if the list gives numbers alone."""
        return tuple(self._metainfo.get('classes', ()))

    def load_data_list(self) -> list[dict]:
        """Clips of the split, ``{'sample_id': str, 'gt_label': int}``."""
        clips = self._held_out_or_kept(self.load_clips())
        if not clips:
            raise DataError(f'{self.ann_file or self.data_root}: no clips for the split {self.split!r}')
        return clips

    def load_clips(self) -> list[dict]:
        """Clips of the official part, in the order of the list."""
        if not self.ann_file:
            raise ConfigError(f'{type(self).__name__} needs an ann_file')
        clips = []
        for number, fields in read_rows(self.ann_file):
            where = f'{self.ann_file}:{number}'
            if len(fields) != len(self.FIELDS):
                raise DataError(f'{where}: {len(self.FIELDS)} fields are expected ({", ".join(self.FIELDS)}), '
                                f'got {len(fields)}')
            info = self.parse_fields(fields, where)
            self._check_inside(info['sample_id'], where)
            clips.append(info)
        return clips

    def parse_fields(self, fields: list[str], where: str) -> dict:
        """Turn the fields of a line into ``{'sample_id': str, 'gt_label': int}``.

        Args:
            fields: The fields, without blanks around them.
            where: ``file:line``, for errors.
        """
        return {'sample_id': fields[0], 'gt_label': self.class_index(fields[1], where)}

    def class_index(self, label: str, where: str) -> int:
        """Number of a class given by its name or number.

        Raises:
            DataError: If there is no such class; the message has the nearest name.
        """
        if label in self.classes:
            return self.classes.index(label)
        if label.isdecimal() and (not self.classes or int(label) < len(self.classes)):
            return int(label)
        near = difflib.get_close_matches(label, self.classes, n=1, cutoff=0.3)
        hint = f'did you mean {near[0]!r}?' if near else f'the data set has {len(self.classes)} classes'
        raise DataError(f'{where}: unknown class {label!r}; {hint}')

    def _held_out_or_kept(self, clips: list[dict]) -> list[dict]:
        """Split the training list by class; the choice depends on the names of the clips, not on their order."""
        if self.split == 'test' or self.val_fraction == 0:
            return clips
        members: dict[int, list[int]] = {}
        for place in sorted(range(len(clips)), key=lambda i: clips[i]['sample_id']):
            members.setdefault(clips[place]['gt_label'], []).append(place)
        held: set[int] = set()
        for label, places in members.items():
            order = np.random.default_rng((self.val_seed, label)).permutation(len(places))
            held.update(places[i] for i in order[:round(self.val_fraction * len(places))])
        return [clip for place, clip in enumerate(clips) if (place in held) == (self.split == 'val')]

    # What is known without loading ---------------------------------------------------------------------------------

    @property
    @force_full_init
    def labels(self) -> np.ndarray:
        """Class numbers of all clips, int64 ``(N,)``."""
        if self._labels is None:
            self._labels = np.array([self._raw_info(i)['gt_label'] for i in range(len(self))], dtype=np.int64)
        return self._labels

    def samples_changed(self) -> None:
        """Forget the class numbers."""
        self._labels = None

    def get_cat_ids(self, idx: int) -> list[int]:
        """Class numbers of one clip."""
        return [int(self.labels[idx])]

    @force_full_init
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that name the set of (clip, class) pairs, whatever their order."""
        infos = (self._raw_info(i) for i in range(len(self)))
        pairs = sorted(f'{info["sample_id"]}\t{info["gt_label"]}\n' for info in infos)
        return hashlib.sha256(''.join(pairs).encode()).hexdigest()[:16]

    def frames_of_video(self, count: int, fps: float) -> list[int]:
        """Which of the ``count`` frames of a video make up a clip: all, or the first if a clip has one image."""
        return [0] if 'image_path' in self.layout else list(range(count))

    # Samples -------------------------------------------------------------------------------------------------------

    def _raw_info(self, idx: int) -> dict:
        return super().get_data_info(int(idx))

    def get_data_info(self, idx: int) -> dict:
        """Everything that is known of a clip before it is loaded, its paths among it."""
        info = self._raw_info(idx)
        info.update(self.clip_paths(info))
        info['rng'] = self._rng(idx)
        return info

    def _rng(self, idx: int) -> np.random.Generator:
        if self.frozen_copies == 0:
            return sample_rng(idx)
        variant = int(sample_rng(idx).integers(self.frozen_copies))
        return np.random.default_rng((getattr(idx, 'seed', 0), int(idx), variant, _FROZEN_STREAM))

    def clip_paths(self, info: dict) -> dict:
        """Paths of a clip by the keys that the loading steps take.

        Raises:
            DataError: If a path leads out of ``data_root`` and ``allowed_roots``.
        """
        label = info['gt_label']
        names = dict(id=info['sample_id'], index=label, part=self.part,
                     label=self.classes[label] if label < len(self.classes) else label)
        paths: dict = {key: self._inside(template.format(**names)) for key, template in self.layout.items()}
        if 'image_path' in paths:
            paths['frame_paths'] = [paths.pop('image_path')]
        return paths

    def __getitem__(self, idx: int) -> dict:
        """Load and transform a clip, or another in its place if it cannot be read and ``on_error='skip'``."""
        if not self._fully_initialized:
            self.full_init()
        try:
            return self.prepare_data(idx)
        except DataError as error:
            if self.on_error == 'raise' or self.test_mode:
                raise
            return self._replacement(idx, str(error))

    def _replacement(self, idx: int, reason: str) -> dict:
        draw = idx if isinstance(idx, SampleIndex) else SampleIndex(idx, position=int(idx))
        rng = np.random.default_rng((draw.seed, draw.epoch, draw.position, _REPLACEMENT_STREAM))
        for other in rng.integers(len(self), size=self.max_refetch):
            try:
                item = self.prepare_data(SampleIndex(other, draw.seed, draw.epoch, draw.position))
            except DataError:
                continue
            sample = item.get('data_samples')
            if sample is not None:
                sample.set_metainfo({'replaced': reason})
            return item
        raise DataError(f'{reason}; none of {self.max_refetch} clips tried in its place can be read either')

    # Paths ---------------------------------------------------------------------------------------------------------

    def _check_layout(self, data_prefix: dict[str, str]) -> None:
        unknown = set(self.layout) - {'audio_path', 'frame_dir', 'image_path', 'video_path'}
        if unknown:
            raise ConfigError(f'layout: unknown key {sorted(unknown)[0]!r}; '
                              'it takes audio_path, frame_dir, image_path and video_path')
        for key, folder in data_prefix.items():
            if key not in self.layout:
                raise ConfigError(f'data_prefix: {key!r} is not a key of the layout ({", ".join(self.layout)})')
            self.layout[key] = os.path.join(folder, self.layout[key])
        for key, template in self.layout.items():
            try:
                template.format(id='', label='', index=0, part='')
            except (KeyError, IndexError, ValueError):
                raise ConfigError(f'layout: {key}={template!r} may name {{id}}, {{label}}, {{index}} and {{part}} '
                                  'only') from None

    def _check_inside(self, clip: str, where: str) -> None:
        """Refuse a clip whose name climbs out of its folder, as soon as the list is read."""
        if clip.startswith(('/', '\\')) or '..' in clip.replace('\\', '/').split('/'):
            try:
                checked_path(clip, self.data_root, self._real_roots[1:])
            except DataError as error:
                raise DataError(f'{where}: {error}') from None

    def _inside(self, path: str) -> str:
        full = os.path.join(self.data_root, path)
        folder, name = os.path.split(full)
        # Following links costs a system call for each folder of the path; few folders hold all files.
        real = os.path.realpath(full) if os.path.islink(full) else os.path.join(_real_folder(folder), name)
        if not any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in self._real_roots):
            checked_path(path, self.data_root, self._real_roots[1:])
        return full


@functools.lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def read_rows(path: str | os.PathLike) -> list[tuple[int, list[str]]]:
    """Rows of a csv file with their line numbers; blank lines are left out, a byte-order mark is ignored.

    Raises:
        DataError: If the file is missing, empty or not text.
    """
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, [f.strip() for f in fields]) for fields in reader if fields]
    except FileNotFoundError:
        raise DataError(f'{path}: the list file is missing') from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{path}: the list file cannot be read ({error})') from None
    if not rows:
        raise DataError(f'{path}: the list file is empty')
    return rows
