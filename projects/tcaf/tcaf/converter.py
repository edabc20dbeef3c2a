"""Official checkpoints of this project, and back."""
from __future__ import annotations

from avmm.utils.conversion import NameTable, state_converter
from projects.tcaf.tcaf.official import AVCATable, TCAFTable

#: Key of the official files below which the tensors are, beside ``epoch``, ``optimizer`` and ``metric``.
STATE = 'model'
#: Names of the tensors by kind of model; the first one is the default of ``tools/model_converters/convert.py``.
TABLES: dict[str, NameTable] = {'tcaf': TCAFTable(), 'avca': AVCATable()}

CONVERTERS = {
    'tcaf': state_converter('checkpoint of TCAF', TABLES['tcaf'], key=STATE),
    'avca': state_converter('checkpoint of AVCA', TABLES['avca'], key=STATE),
}
