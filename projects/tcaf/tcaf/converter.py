"""Official checkpoints of this project, and back."""
from __future__ import annotations

from avmm.utils.conversion import NameTable, state_converter
from projects.tcaf.tcaf.official import AVCATable, TCAFTable
from projects.tcaf.tcaf.official_baselines import (
    AVGZSLNET_TABLE,
    BILINEAR_TABLE,
    CJME_TABLE,
    FVAEGAN_TABLE,
    APNTable,
)

#: Key of the official files below which the tensors are, beside ``epoch``, ``optimizer`` and ``metric``.
STATE = 'model'
#: Names of the tensors by kind of model; the first one is the default of ``tools/model_converters/convert.py``.
TABLES: dict[str, NameTable] = {
    'tcaf': TCAFTable(), 'avca': AVCATable(), 'cjme': CJME_TABLE, 'avgzslnet': AVGZSLNET_TABLE,
    'bilinear': BILINEAR_TABLE, 'apn': APNTable(), 'fvaegan': FVAEGAN_TABLE}
_NAMES = {
    'tcaf': 'TCAF', 'avca': 'AVCA', 'cjme': 'CJME', 'avgzslnet': 'AVGZSLNet', 'bilinear': 'DeViSE, ALE or SJE',
    'apn': 'APN', 'fvaegan': 'f-VAEGAN-D2'}

CONVERTERS = {kind: state_converter(f'checkpoint of {_NAMES[kind]}', table, key=STATE)
              for kind, table in TABLES.items()}
