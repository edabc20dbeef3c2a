"""Conversion of official checkpoints: what the converters of projects are made of."""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from avmm.engine.checkpoint import load_checkpoint, save_checkpoint
from avmm.utils.errors import CheckpointError

State = Mapping[str, Tensor]
# Key of a converted checkpoint under which it keeps what an exact export needs.
OFFICIAL = 'official'


@dataclass(frozen=True)
class Converter:
    """One kind of official file. ``tools/model_converters/convert.py`` calls it.

    Attributes:
        about: What the official file is, in a few words.
        read: ``(path, trust, keep_unused)`` to the content of a checkpoint of AVMM: ``state_dict`` and ``meta``.
            ``trust`` lets the file run code. With ``keep_unused``, what the official program stores and never uses is
            kept, so that an export gives it back.
        write: ``(checkpoint, path)``; writes a checkpoint of AVMM as an official file.
    """
    about: str
    read: Callable[[Path, bool, bool], dict[str, Any]]
    write: Callable[[Mapping[str, Any], Path], None]


class NameTable:
    r"""Official names of tensors and ours.

    Args:
        pairs: Beginnings of names, official and ours, such as
            ``('encoder.layers.{n}.self_attn', 'encoder.layers.{n}.attention')``; ``{n}`` is any number. The first pair
            that fits counts.
        unused: Regular expressions of official names, from their start, that the official program never uses.
        prefix: What every official name may begin with, as ``DataParallel`` adds it.
        prefixed: Whether an export gives the names that prefix, where nothing says how the official file had them.

    Example:
        >>> NameTable([('fc', 'head.classes')], unused=[r'guided\.']).from_official({'module.fc.weight': w, ...})
        {'head.classes.weight': ...}
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], unused: Sequence[str] = (), prefix: str = 'module.',
                 prefixed: bool = True):
        self.prefix, self.prefixed = prefix, prefixed
        self._to_ours = [(_pattern(official), _replacement(ours)) for official, ours in pairs]
        self._to_official = [(_pattern(ours), _replacement(official)) for official, ours in pairs]
        self._unused = re.compile('|'.join(f'(?:{u})' for u in unused) or r'(?!)')

    def from_official(self, state: State) -> dict[str, Tensor]:
        """Tensors by our names, without the unused ones.

        Raises:
            CheckpointError: If a name is not one of the official model.
        """
        return {_renamed(name, self._to_ours): value for name, value in self._plain(state).items()
                if not self._unused.match(name)}

    def unused(self, state: State) -> dict[str, Tensor]:
        """The unused tensors of an official state, by their names without prefix."""
        return {name: value for name, value in self._plain(state).items() if self._unused.match(name)}

    def to_official(self, state: State, unused: State | None = None) -> dict[str, Tensor]:
        """Tensors by their official names without prefix, then the ``unused`` ones.

        Raises:
            CheckpointError: If a name is not one of our model.
        """
        return {**{_renamed(name, self._to_official): value for name, value in state.items()}, **(unused or {})}

    def _plain(self, state: State) -> dict[str, Tensor]:
        return {name.removeprefix(self.prefix): value for name, value in state.items()}


def state_converter(about: str, table: NameTable, fill_unused: Callable[[State], State] = lambda state: {},
                    key: str | None = None) -> Converter:
    """A converter of files that hold a state dict, bare or below the key ``state_dict``.

    Args:
        about: See :class:`Converter`.
        table: The names.
        fill_unused: From the official tensors that are used, the ones to export in the place of unused tensors that
            were not kept.
        key: Key below which official files hold their state dict, beside other entries. ``keep_unused`` keeps those,
            and an export gives them back.
    """

    def read(path: Path, trust: bool, keep_unused: bool) -> dict[str, Any]:
        content = load_checkpoint(path, trust=trust)
        state = content.get(key or 'state_dict', content)
        if not state or not all(isinstance(value, Tensor) for value in state.values()):
            raise CheckpointError(f'{path} holds no state dict, but {", ".join(map(str, content)) or "nothing"}')
        checkpoint = dict(state_dict=table.from_official(state), meta=dict(converted_from=path.name))
        if keep_unused:
            checkpoint[OFFICIAL] = dict(names=list(state), unused=table.unused(state))
            if key is not None and state is not content:
                checkpoint[OFFICIAL]['entries'] = dict(content, **{key: None})
        return checkpoint

    def write(checkpoint: Mapping[str, Any], path: Path) -> None:
        kept = checkpoint.get(OFFICIAL, {})
        state = table.to_official(checkpoint['state_dict'], kept.get('unused'))
        if not kept:
            state = {**state, **fill_unused(state)}
        names = kept.get('names') or [table.prefix * table.prefixed + name for name in state]
        state = {name: state[name.removeprefix(table.prefix)] for name in names}
        # In the order of the official file, whose place of the state is kept free.
        save_checkpoint(state if key is None else {**kept.get('entries', {}), key: state}, path)

    return Converter(about, read, write)


def _pattern(template: str) -> re.Pattern:
    return re.compile(re.escape(template).replace(re.escape('{n}'), r'(\d+)') + r'(?=\.|$)')


def _replacement(template: str) -> Callable[[re.Match], str]:
    def fill(match: re.Match) -> str:
        numbers = iter(match.groups())
        return re.sub(r'\{n\}', lambda _: next(numbers), template)
    return fill


def _renamed(name: str, rules: Sequence[tuple[re.Pattern, Callable[[re.Match], str]]]) -> str:
    for pattern, fill in rules:
        match = pattern.match(name)
        if match:
            return fill(match) + name[match.end():]
    raise CheckpointError(f'the tensor {name!r} belongs to another model; is this the right project and kind of file?')
