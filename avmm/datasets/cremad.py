"""CREMA-D: acted emotions."""
from __future__ import annotations

from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.registry import DATASETS
from avmm.utils import ConfigError

CLASS_ORDERS = {
    'alphabetical': ('ANG', 'DIS', 'FEA', 'HAP', 'NEU', 'SAD'),
    'ogm_ge': ('NEU', 'HAP', 'SAD', 'FEA', 'DIS', 'ANG'),
}


@DATASETS.register_module()
class CREMAD(AVClipDataset):
    """CREMA-D (Cao et al., 2014): six acted emotions, one image and one wav a clip; 6698 training and 744 test clips.

    The lists are those published with OGM-GE (Peng et al., 2022), a clip and its emotion a line::

        1088_IOM_NEU_XX,NEU
        1017_IWW_HAP_XX,HAP

    Files under ``data_root``::

        train.csv, test.csv
        processed_dataset/{train,test}/visual/<emotion>/<clip>.jpg
        processed_dataset/{train,test}/audio/<emotion>/<clip>.wav

    Args:
        class_order: ``'alphabetical'`` (ANG 0 to SAD 5), or ``'ogm_ge'`` (NEU, HAP, SAD, FEA, DIS, ANG), which the
            checkpoints of OGM-GE and LFM use.
        **kwargs: Arguments of :class:`AVClipDataset`.
    """

    METAINFO = {'classes': CLASS_ORDERS['alphabetical']}
    LISTS = {'train': 'train.csv', 'test': 'test.csv'}
    LAYOUT = {
        'audio_path': 'processed_dataset/{part}/audio/{label}/{id}.wav',
        'image_path': 'processed_dataset/{part}/visual/{label}/{id}.jpg',
    }
    SOUND_RATE = 16000

    def __init__(self, *args, class_order: str = 'alphabetical', **kwargs):
        if class_order not in CLASS_ORDERS:
            raise ConfigError(f'class_order must be one of {", ".join(CLASS_ORDERS)}, got {class_order!r}')
        kwargs.setdefault('classes', CLASS_ORDERS[class_order])
        super().__init__(*args, **kwargs)
