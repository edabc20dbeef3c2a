"""Handwritten digits that are spoken at the same time."""
from __future__ import annotations

from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.registry import DATASETS


@DATASETS.register_module()
class AVDigits(AVClipDataset):
    """AV-Digits: 1797 scans of handwritten digits in a few moved frames each, and their spoken names in noise.

    ``tools/dataset_converters/av_digits.py`` makes it in the layout of Kinetics-Sounds, with 1442 training and 355
    test clips::

        data/av_digits/train.csv, test.csv
        data/av_digits/{train,test}/video/<label>/<clip id>/frame_<i>.jpg    64 x 64 pixels
        data/av_digits/{train,test}/audio/<label>/<clip id>.wav              mono, 22,050 Hz, 1 s

    A list has a clip a line, its id and its digit::

        digit_0000,0
        digit_0001,1

    The scans are those of ``sklearn.datasets.load_digits`` (UCI, Optical Recognition of Handwritten Digits), and the
    number in a clip's id is that of its scan. Every fifth scan of a digit is a test clip.

    Args:
        **kwargs: Arguments of :class:`AVClipDataset`; a validation split takes ``val_fraction``.
    """

    METAINFO = {'classes': tuple('0123456789')}
    LISTS = {'train': 'train.csv', 'val': 'train.csv', 'test': 'test.csv'}
    LAYOUT = {
        'audio_path': '{part}/audio/{label}/{id}.wav',
        'frame_dir': '{part}/video/{label}/{id}',
    }
    SOUND_RATE = 22050
    SHORT_SIDE = 64

    def frames_of_video(self, count: int, fps: float) -> list[int]:
        """The middles of three equal parts of the video, as many frames as a clip has."""
        return [(2 * i + 1) * count // 6 for i in range(3)] if count > 3 else list(range(count))
