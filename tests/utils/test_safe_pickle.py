"""Old pickles give their arrays and tensors, and run nothing."""
from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import types
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from avmm.utils import CheckpointError, DataError
from avmm.utils.safe_pickle import InertObject, load_object_npy, load_pickle
from avmm.utils.torch_pickle import inert_state_dict, load_torch_pickle


class Hostile:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path, )


@pytest.fixture
def write(tmp_path):
    def write(content: bytes):
        path = tmp_path / 'old.pkl'
        path.write_bytes(content)
        return path
    return write


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_builtins(write, protocol):
    value = {'audio': np.arange(6, dtype='>f4').reshape(2, 3).T, 'names': np.array(['a', 'bc']), 'n': np.float64(2.5),
             'objects': np.array([1, None, 'x'], dtype=object), 'list': [1, (2.0, True), {3}, b'\xff', None, 1 + 2j],
             'order': OrderedDict(a=1), 'flags': np.array([True, False]), 'empty': np.zeros((0, 4), 'i8')}
    read = load_pickle(write(pickle.dumps(value, protocol)))
    assert list(read) == list(value)
    for key in ('audio', 'names', 'objects', 'flags', 'empty'):
        np.testing.assert_array_equal(read[key], value[key])
        assert read[key].shape == value[key].shape and type(read[key]) is np.ndarray
    assert read['list'] == value['list'] and read['order'] == value['order'] and read['n'] == 2.5


def test_array_of_python_2(write):
    """A string of Python 2 holds the bytes of the array, and the modules have their old names."""
    content = np.array([1.5, -2], '<f8').tobytes()
    short = b'U' + bytes([len(content)]) + content
    pickled = (b'\x80\x02}U\x01xcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R('
               b'K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff'
               b'J\xff\xff\xff\xffK\x00tb\x89' + short + b'tbs.')
    np.testing.assert_array_equal(load_pickle(write(pickled))['x'], [1.5, -2])


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_hostile_pickle_runs_nothing(write, tmp_path, protocol):
    path = write(pickle.dumps([Hostile(tmp_path / 'made')], protocol))
    name = os.mkdir.__module__
    with pytest.raises(DataError, match=rf'old\.pkl: the pickle asks for {name}\.mkdir, .* is refused') as caught:
        load_pickle(path)
    assert '\n' not in str(caught.value) and not (tmp_path / 'made').exists()


@pytest.mark.parametrize('name', ['builtins eval', 'builtins getattr', 'builtins exec', 'builtins __import__',
                                  'builtins open', 'os system', 'numpy load', 'numpy.core.multiarray fromfile',
                                  'torch load', 'functools partial', 'builtins type', 'copyreg add_extension'])
def test_every_other_global_is_refused(write, name):
    module, attribute = name.split()
    with pytest.raises(DataError, match=f'asks for {module}.{attribute}, which could run code'):
        load_pickle(write(f'c{module}\n{attribute}\n.'.encode()))


def test_extension_codes_are_refused(write):
    with pytest.raises(DataError, match='asks for the extension 7'):
        load_pickle(write(b'\x80\x02\x82\x07.'))


def test_bytes_cannot_become_pointers(write):
    """With the flag for objects taken off its type, NumPy would take the bytes of an array for addresses."""
    dtype = b"cnumpy\ndtype\n(S'O8'\nI00\nI01\ntR(I3\nS'|'\nNNNI-1\nI-1\nI%d\ntb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nt%sI00\n%stb."
    with pytest.raises(DataError, match='the element type object of an array is not a plain one'):
        load_pickle(write(array % (dtype % 0, b"S'AAAAAAAA'\n")))
    with pytest.raises(DataError, match='the content of an array does not fit its element type'):
        load_pickle(write(array % (dtype % 63, b"S'AAAAAAAA'\n")))
    assert load_pickle(write(array % (dtype % 63, b'(lI5\na')))[0] == 5
    scalar = b"cnumpy.core.multiarray\nscalar\n(%sS'AAAAAAAA'\ntR." % (dtype % 63)
    with pytest.raises(DataError, match='raw bytes cannot become Python objects'):
        load_pickle(write(scalar))


def test_attributes_of_functions_and_classes_stay(write):
    with pytest.raises(DataError, match='it sets attributes of a function'):
        load_pickle(write(b"\x80\x02c_codecs\nencode\n}U\x01xK\x01sb."))
    with pytest.raises(DataError, match='it sets attributes of a type'):
        load_pickle(write(b"\x80\x02ctoy\nThing\n}U\x01xK\x01sb."), inert=['toy.Thing'])


def test_named_classes_become_inert(write):
    toy = types.ModuleType('toy')
    thing = type('Thing', (), {'__module__': 'toy'})
    toy.Thing = thing
    value = thing()
    value.weights = np.ones(2)
    sys.modules['toy'] = toy
    try:
        contents = [pickle.dumps(value, protocol) for protocol in (0, 2, 4)]
    finally:
        del sys.modules['toy']
    for content in contents:
        read = load_pickle(write(content), inert=['toy.Thing'])
        assert isinstance(read, InertObject) and repr(read) == '<inert toy.Thing>'
        np.testing.assert_array_equal(read.state['weights'], [1, 1])
    with pytest.raises(DataError, match='asks for toy.Thing'):
        load_pickle(write(contents[0]))


@pytest.mark.parametrize('content, message', [
    (b'', 'the file is empty'), (pickle.dumps(list(range(99)))[:40], 'torn'), (b'no pickle at all', 'torn'),
    (b'\x80\x02K\x01Q.', 'it refers to data outside the file')])
def test_torn_file(write, content, message):
    with pytest.raises(DataError, match=f'old.pkl: .*{message}'):
        load_pickle(write(content))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r'absent\.pkl: the file cannot be read \(No such file'):
        load_pickle(tmp_path / 'absent.pkl')


@pytest.fixture
def att_net():
    """A module of a class in a module ``models``, which is gone when the file is read."""
    class att_Net(nn.Module):  # noqa: N801
        def __init__(self):
            super().__init__()
            self.lstm_audio = nn.LSTM(3, 2, 1, batch_first=True, bidirectional=True)
            self.U_v = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.BatchNorm1d(4))
            self.L2 = nn.Linear(4, 2)
            self.tied = self.L2

    models = types.ModuleType('models')
    att_Net.__module__, att_Net.__qualname__ = 'models', 'att_Net'
    models.att_Net = att_Net
    sys.modules['models'] = models
    yield att_Net()
    sys.modules.pop('models', None)


@pytest.mark.parametrize('zipped', [True, False])
def test_module_saved_whole(tmp_path, att_net, zipped):
    path = tmp_path / 'AV_att.pt'
    with warnings.catch_warnings():
        # The source of the class cannot be found.
        warnings.simplefilter('ignore')
        torch.save(att_net, path, _use_new_zipfile_serialization=zipped)
    sys.modules.pop('models')
    with pytest.raises(CheckpointError, match=r'AV_att\.pt: the pickle asks for models\.att_Net, which could run'):
        load_torch_pickle(path)
    module = load_torch_pickle(path, inert=['models.att_Net'])
    assert repr(module) == '<inert models.att_Net>'
    state, expected = inert_state_dict(module), att_net.state_dict()
    assert list(state) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0)


def _legacy_file(pickled: bytes, storages: dict[str, np.ndarray]) -> bytes:
    parts = [pickle.dumps(v, 2) for v in (0x1950a86a20f9469cfc6c, 1001, {'little_endian': True})]
    parts += [pickled, pickle.dumps(sorted(storages), 2)]
    return b''.join(parts + [struct.pack('<q', s.size) + s.tobytes() for _, s in sorted(storages.items())])


def test_module_of_torch_0_3(tmp_path):
    """There, parameters were variables, tensors had views of storages on the GPU, and modules knew their backend."""
    tensor = (b"ctorch._utils\n_rebuild_tensor\n((X\x07\x00\x00\x00storagectorch.cuda\nFloatStorage\n"
              b"X\x01\x00\x00\x007X\x06\x00\x00\x00cuda:0K\x06(X\x01\x00\x00\x008K\x02K\x04tt"
              b"QK\x00K\x02K\x02\x86K\x01K\x02\x86tR")
    parameter = b"ctorch.nn.parameter\nParameter\n" + tensor + b"\x85R\x88\x89ccollections\nOrderedDict\n)R\x87b"
    backend = b"ctorch.nn.backends.thnn\n_get_thnn_function_backend\n)R"
    pickled = (b"\x80\x02(U\x06modulecmodels\natt_Net\nU\x09models.pyU\x04codetQ)\x81}(U\x08_backend" + backend
               + b"U\x0b_parameters}U\x06weight" + parameter + b"sU\x08_buffers}U\x08_modules}ub.")
    path = tmp_path / 'AV_att.pt'
    path.write_bytes(_legacy_file(pickled, {'7': np.arange(6, dtype='<f4')}))
    state = inert_state_dict(load_torch_pickle(path, inert=['models.att_Net']))
    assert list(state) == ['weight']
    assert state['weight'].tolist() == [[2, 4], [3, 5]]


@pytest.mark.parametrize('zipped', [True, False])
def test_hostile_module_runs_nothing(tmp_path, zipped):
    path = tmp_path / 'model.pt'
    torch.save({'weight': torch.ones(2), 'more': Hostile(tmp_path / 'made')}, path,
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r'model\.pt: the pickle asks for posix\.mkdir'):
        load_torch_pickle(path, inert=['models.att_Net'])
    assert not (tmp_path / 'made').exists()


def test_tensor_beyond_its_storage(tmp_path):
    pickled = (b"\x80\x02ctorch._utils\n_rebuild_tensor\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
               b"X\x01\x00\x00\x007X\x03\x00\x00\x00cpuK%cNtQK\x00K\x63\x85K\x01\x85tR.")
    path = tmp_path / 'model.pt'
    path.write_bytes(_legacy_file(pickled % 2, {'7': np.zeros(2, '<f4')}))
    with pytest.raises(CheckpointError, match='out of bounds'):
        load_torch_pickle(path)
    path.write_bytes(_legacy_file(pickled.replace(b'K%c', b'J\xff\xff\xff\x7f'), {}))
    with pytest.raises(CheckpointError, match='a storage of 2147483647 numbers does not fit the file'):
        load_torch_pickle(path)


@pytest.mark.parametrize('zipped', [True, False])
def test_torn_torch_file(tmp_path, zipped):
    buffer = io.BytesIO()
    torch.save({'weight': torch.ones(100)}, buffer, _use_new_zipfile_serialization=zipped)
    path = tmp_path / 'model.pt'
    path.write_bytes(buffer.getvalue()[:-150])
    with pytest.raises(CheckpointError, match=r'model\.pt: the file is torn') as caught:
        load_torch_pickle(path)
    assert '\n' not in str(caught.value)


def test_object_that_is_no_module(tmp_path):
    torch.save([1], tmp_path / 'list.pt')
    with pytest.raises(CheckpointError, match='the object in the pickle is no module of torch'):
        inert_state_dict(load_torch_pickle(tmp_path / 'list.pt'))


def test_arrays_of_objects_in_npy_files(tmp_path):
    np.save(tmp_path / 'words.npy', np.array({'a dog': np.arange(3.)}, object))
    assert load_object_npy(tmp_path / 'words.npy').item()['a dog'].tolist() == [0, 1, 2]
    np.save(tmp_path / 'plain.npy', np.eye(2))
    assert load_object_npy(tmp_path / 'plain.npy').tolist() == [[1, 0], [0, 1]]


def test_npy_files_that_are_hostile_or_torn(tmp_path):
    np.save(tmp_path / 'bad.npy', np.array({'a': Hostile(tmp_path / 'made')}, object))
    with pytest.raises(DataError, match=r'bad.npy: the pickle asks for \w+.mkdir, which could run code'):
        load_object_npy(tmp_path / 'bad.npy')
    assert not (tmp_path / 'made').exists()
    content = (tmp_path / 'bad.npy').read_bytes()
    for kept in (4, 60, 140):
        (tmp_path / 'torn.npy').write_bytes(content[:kept])
        with pytest.raises(DataError, match='torn.npy: the file is torn or holds more than plain data'):
            load_object_npy(tmp_path / 'torn.npy')
    with pytest.raises(DataError, match='none.npy: the file cannot be read'):
        load_object_npy(tmp_path / 'none.npy')
