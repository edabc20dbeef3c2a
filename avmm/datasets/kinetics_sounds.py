"""Kinetics-Sounds: actions that one sees and hears."""
from __future__ import annotations

from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.registry import DATASETS
from avmm.utils import DataError

# A YouTube id has eleven characters.
ID_LENGTH = 11


@DATASETS.register_module()
class KineticsSounds(AVClipDataset):
    """Kinetics-Sounds (Arandjelovic and Zisserman, 2017): 31 actions, ten frames and one wav a clip.

    A line of a list names the clip, its length in s and the number of its class. Training clips are named in full;
    the names of test clips are cut to the YouTube id, their first eleven characters::

        --4-0ihtnBU_000058_000068,10,4
        -3Mwkq-7TV4_2,10,23

    Files under ``data_root``::

        my_train.txt, my_test.txt
        {train,test}/video/<class>/<clip>/frame_{0..9}.jpg
        {train,test}/audio/<class>/<clip>.wav

    The folder of a class has its name; for folders with its number, give a ``layout`` with ``{index}``.

    Args:
        cut_test_ids: Whether the names of test clips are cut; False is for folders named as in the list.
        **kwargs: Arguments of :class:`AVClipDataset`.
    """

    METAINFO = {
        'classes': ('blowing nose', 'blowing out candles', 'bowling', 'chopping wood', 'dribbling basketball',
                    'laughing', 'mowing lawn', 'playing accordion', 'playing bagpipes', 'playing bass guitar',
                    'playing clarinet', 'playing drums', 'playing guitar', 'playing harmonica', 'playing keyboard',
                    'playing organ', 'playing piano', 'playing saxophone', 'playing trombone', 'playing trumpet',
                    'playing violin', 'playing xylophone', 'ripping paper', 'shoveling snow', 'shuffling cards',
                    'singing', 'stomping grapes', 'tap dancing', 'tapping guitar', 'tapping pen', 'tickling')
    }
    LISTS = {'train': 'my_train.txt', 'test': 'my_test.txt'}
    LAYOUT = {
        'audio_path': '{part}/audio/{label}/{id}.wav',
        'frame_dir': '{part}/video/{label}/{id}',
    }
    FIELDS = ('clip', 'duration', 'label')
    SOUND_RATE = 16000
    SHORT_SIDE = 256

    def __init__(self, *args, cut_test_ids: bool = True, **kwargs):
        self.cut_test_ids = cut_test_ids
        super().__init__(*args, **kwargs)

    def parse_fields(self, fields: list[str], where: str) -> dict:
        """Turn ``clip, duration, label`` into a clip; test names are cut to eleven characters."""
        clip, _, label = fields
        if self.part == 'test' and self.cut_test_ids:
            clip = clip[:ID_LENGTH]
        if len(clip) < ID_LENGTH:
            raise DataError(f'{where}: {clip!r} is shorter than the {ID_LENGTH} characters of a YouTube id')
        return {'sample_id': clip, 'gt_label': self.class_index(label, where)}

    def frames_of_video(self, count: int, fps: float) -> list[int]:
        """Ten frames at equal distances.

        Raises:
            DataError: If the video has fewer.
        """
        from avmm.datasets.preparation.clip_job import equal_steps
        return list(equal_steps(count, fps))
