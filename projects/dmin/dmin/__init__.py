"""Importing this package registers its components; a config does so with ``custom_imports``."""
from projects.dmin.dmin.attention import AGTA, bilinear_pool
from projects.dmin.dmin.cell_mean import CellMean
from projects.dmin.dmin.dcmr import DCMR
from projects.dmin.dmin.dense_attention import DenseInterModalityAttention
from projects.dmin.dmin.heads import DMINSupervisedHead, DMINWeakHead, WindowHead
from projects.dmin.dmin.matching import AccumulatingMatching, WindowMeanMatching

__all__ = [
    'AGTA', 'AccumulatingMatching', 'CellMean', 'DCMR', 'DMINSupervisedHead', 'DMINWeakHead',
    'DenseInterModalityAttention', 'WindowHead', 'WindowMeanMatching', 'bilinear_pool'
]
