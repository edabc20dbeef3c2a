"""Pickles of old releases, read without running anything that is in them."""
from __future__ import annotations

import codecs
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from avmm.utils.errors import AVMMError, DataError

# Python 2 has other names for some modules, NumPy moved its own.
_RENAMED = {'__builtin__': 'builtins', 'copy_reg': 'copyreg', 'numpy._core.multiarray': 'numpy.core.multiarray',
            'numpy._core.numeric': 'numpy.core.numeric'}
_PLAIN_KINDS = frozenset('biufcSUO')


class RefusedGlobal(pickle.UnpicklingError):
    """The pickle asks for a function or class that is not plain data.

    Args:
        name: Dotted name of what it asks for.
    """

    def __init__(self, name: str):
        super().__init__(f'it asks for {name}')
        self.name = name


class InertObject:
    """What stands for an object of a class that is not to be imported: a name and a state, no behaviour.

    Attributes:
        source: Dotted name of the class in the pickle.
        state: What the pickle says about the object, usually a ``dict``.
    """

    source = ''

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        self.state: Any = {}

    def __repr__(self) -> str:
        return f'<inert {self.source}>'


def _dtype(spec: str | bytes, align: bool = False, copy: bool = True) -> np.dtype:
    spec = spec.decode('latin1') if isinstance(spec, bytes) else spec
    dtype = np.dtype(spec, copy=True) if isinstance(spec, str) else None
    if dtype is None or dtype.kind not in _PLAIN_KINDS or dtype.fields is not None or dtype.subdtype is not None:
        raise pickle.UnpicklingError(f'the element type {spec!r} of an array is not a plain one')
    return dtype


def _refuse_objects(dtype: np.dtype) -> None:
    if dtype.hasobject:
        raise pickle.UnpicklingError('raw bytes cannot become Python objects')


def _scalar(dtype: np.dtype, content: bytes | str) -> np.generic:
    _refuse_objects(dtype)
    content = content.encode('latin1') if isinstance(content, str) else content
    return np.frombuffer(content, dtype, 1)[0]


def _frombuffer(content: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    _refuse_objects(dtype)
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def _reconstruct(kind: type, shape: tuple, code: bytes) -> np.ndarray:
    if kind is not np.ndarray:
        raise pickle.UnpicklingError('an array of another class than numpy.ndarray')
    # The state that follows brings the real shape and content.
    return np.zeros(0, 'b')


def _encode(text: str, encoding: str = 'latin1') -> bytes:
    if codecs.lookup(encoding).name != 'iso8859-1':
        raise pickle.UnpicklingError(f'bytes in the encoding {encoding!r}')
    return text.encode('latin1')


def _reconstruct_object(kind: type, base: type, state: object) -> InertObject:
    if not issubclass(kind, InertObject) or base is not object:
        raise pickle.UnpicklingError('an object that is not plain data')
    return kind()


#: Everything that a pickle may ask for. Builtins that look at or call other objects are not among them.
ADMITTED: dict[str, Any] = {
    **{f'builtins.{kind.__name__}': kind for kind in (
        bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, slice, range, object)},
    'builtins.long': int, 'builtins.unicode': str,
    'collections.OrderedDict': OrderedDict,
    '_codecs.encode': _encode,
    'copyreg._reconstructor': _reconstruct_object,
    'numpy.ndarray': np.ndarray,
    'numpy.dtype': _dtype,
    'numpy.core.multiarray._reconstruct': _reconstruct,
    'numpy.core.multiarray.scalar': _scalar,
    'numpy.core.numeric._frombuffer': _frombuffer,
}


class RestrictedUnpickler(pickle._Unpickler):
    """Unpickler that admits NumPy arrays and builtins, and lets named classes become :class:`InertObject`.

    It is Python's own, not the one in C, because two instructions have to be watched as well as the names. BUILD can
    set attributes of anything, and of a NumPy dtype so that raw bytes pass for object pointers. REDUCE and its kin
    call whatever lies on the stack.

    Args:
        file: Binary file.
        inert: Dotted names of classes, and prefixes that end with a dot, which become inert objects.
        encoding: How strings of Python 2 are read; ``'latin1'`` keeps every byte, as old NumPy arrays need.
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO, inert: Iterable[str] = (), encoding: str = 'latin1'):
        super().__init__(file, encoding=encoding)
        self.inert = tuple(inert)
        self.admitted = dict(ADMITTED)
        self._stubs: dict[str, type[InertObject]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a global of the pickle.

        Raises:
            RefusedGlobal: If it is neither plain data nor one of the inert classes.
        """
        full = f'{_RENAMED.get(module, module)}.{name}'
        if full in self.admitted:
            return self.admitted[full]
        if any(full == known or (known.endswith('.') and full.startswith(known)) for known in self.inert):
            # A class of its own for each file, so that nothing in one can change what the next one gets.
            return self._stubs.setdefault(full, type(name, (InertObject, ), {'source': full}))
        raise RefusedGlobal(f'{module}.{name}')

    def get_extension(self, code: int) -> None:
        """Extension codes stand for globals of a registry that no file of ours uses."""
        raise RefusedGlobal(f'the extension {code}')

    def persistent_load(self, pid: Any) -> Any:
        """Plain pickles have nothing outside themselves."""
        raise pickle.UnpicklingError('it refers to data outside the file')

    def build(self, target: Any, state: Any) -> None:
        """Give ``target`` its state.

        Raises:
            pickle.UnpicklingError: If it is of a kind that has none, or if the state is not what NumPy writes.
        """
        if isinstance(target, InertObject):
            target.state = state
        elif isinstance(target, np.dtype):
            _check_dtype_state(target, state)
            target.__setstate__(state)
        elif type(target) is np.ndarray:
            _check_array_state(state)
            target.__setstate__(state)
        elif type(target) is OrderedDict and isinstance(state, dict):
            # torch notes the versions of modules here; no reader needs them.
            return
        else:
            raise pickle.UnpicklingError(f'it sets attributes of a {type(target).__name__}')

    def _load_build(self) -> None:
        state = self.stack.pop()
        self.build(self.stack[-1], state)

    dispatch[pickle.BUILD[0]] = _load_build

    def _call(self, function: Callable, args: tuple, kwargs: dict | None = None) -> Any:
        known = any(function is one for one in (*self.admitted.values(), *self._stubs.values()))
        if not known or function is np.ndarray:
            raise pickle.UnpicklingError('it calls something that is not a known function')
        return function(*args, **(kwargs or {}))

    def _load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], args)

    dispatch[pickle.REDUCE[0]] = _load_reduce

    def _load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], args)

    dispatch[pickle.NEWOBJ[0]] = _load_newobj

    def _load_newobj_ex(self) -> None:
        kwargs, args = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], args, kwargs)

    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex

    def _instantiate(self, klass: Callable, args: list) -> None:
        self.append(self._call(klass, tuple(args)))


def _check_dtype_state(dtype: np.dtype, state: Any) -> None:
    """A pickle may change the byte order of a plain type, not what its bytes mean."""
    if not isinstance(state, tuple) or len(state) != 8 \
            or state[1] not in ('<', '>', '|', '=', b'<', b'>', b'|', b'=') or state[2:5] != (None, None, None) \
            or state[5:7] not in ((-1, -1), (dtype.itemsize, dtype.alignment)) or state[7] != dtype.flags:
        raise pickle.UnpicklingError(f'the element type {dtype} of an array is not a plain one')


def _check_array_state(state: Any) -> None:
    if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], np.dtype) \
            or isinstance(state[4], list) != state[2].hasobject:
        raise pickle.UnpicklingError('the content of an array does not fit its element type')


def load_pickle(path: str | os.PathLike, inert: Iterable[str] = (), encoding: str = 'latin1') -> Any:
    """Read a pickle of NumPy arrays and builtin types, of Python 2 or 3; nothing in it is run.

    Args:
        path: The file.
        inert: Dotted names of classes whose objects become :class:`InertObject`.
        encoding: How strings of Python 2 are read.

    Raises:
        DataError: If the file is missing, torn, or asks for anything else; one line names the file and the global.

    Example:
        >>> import pickle, tempfile
        >>> with tempfile.NamedTemporaryFile(suffix='.pkl') as file:
        ...     _ = file.write(pickle.dumps({'clip': [1, 2]})), file.flush()
        ...     load_pickle(file.name)
        {'clip': [1, 2]}
    """
    with open_checked(path, DataError) as file:
        return guarded(path, DataError, RestrictedUnpickler(file, inert, encoding).load)


def open_checked(path: str | os.PathLike, error: type[AVMMError]) -> BinaryIO:
    """Open a file to read bytes.

    Raises:
        AVMMError: Of the class ``error``, if it is missing, empty or cannot be read.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise error(f'{path}: the file is empty')
        return open(path, 'rb')
    except OSError as fault:
        raise error(f'{path}: the file cannot be read ({fault.strerror or fault})') from None


def guarded(path: str | os.PathLike, error: type[AVMMError], read: Callable[[], Any]) -> Any:
    """Call ``read``; whatever a torn or hostile file makes of it becomes one line.

    Raises:
        AVMMError: Of the class ``error``, naming the file and why it is refused.
    """
    try:
        return read()
    except RefusedGlobal as fault:
        raise error(f'{path}: the pickle asks for {fault.name}, which could run code, and is refused; only arrays, '
                    'plain Python values and known classes are read') from fault
    except AVMMError:
        raise
    except Exception as fault:
        # A stream of arbitrary bytes raises nearly anything.
        lines = str(fault).strip().splitlines() or [type(fault).__name__]
        raise error(f'{path}: the file is torn or holds more than plain data ({lines[0][:120]})') from fault


def load_object_npy(path: str | os.PathLike) -> Any:
    """Read a ``.npy`` file, also one whose array holds Python objects, which NumPy keeps as a pickle.

    Returns:
        The array; one of objects may hold anything that :func:`load_pickle` admits.

    Raises:
        DataError: If the file is missing, torn, no array, or asks for more than plain data.
    """
    with open_checked(path, DataError) as file:
        return guarded(path, DataError, lambda: _read_npy(file))


def _read_npy(file: BinaryIO) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    if not header(file)[2].hasobject:
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    array = RestrictedUnpickler(file).load()
    if not isinstance(array, np.ndarray):
        raise pickle.UnpicklingError('it holds no array')
    return array
