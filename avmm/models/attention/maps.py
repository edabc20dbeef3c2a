"""Maps of where a model looks, kept only while someone asks for them."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor


class MapSource:
    """Mixin of modules that can tell where they look.

    A forward hands its maps to :meth:`keep_map`, and asks :attr:`asked` first where a map has to be computed for the
    purpose. Outside :func:`recorded_maps` nothing is kept.
    """

    _kept: dict[str, Tensor] | None = None
    _prefix = ''

    @property
    def asked(self) -> bool:
        """Whether maps are recorded now."""
        return self._kept is not None

    def keep_map(self, name: str, value: Tensor) -> None:
        """Record a map ``(B, S, ...)`` under ``name``, or the name of the module where ``name`` is empty."""
        if self._kept is not None:
            self._kept['.'.join(part for part in (self._prefix, name) if part)] = value.detach()


@contextmanager
def recorded_maps(sources: Mapping[str, MapSource]) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that fills with the maps of ``{name: module}`` as the modules run.

    A map is called ``<name>.<map>``; the name may be empty, and so may the module's own name of a map.

    Example:
        >>> with recorded_maps(dict(mixing=attention)) as maps:
        ...     attention(query, memory)
        >>> maps['mixing'].shape   # (B, S, 2S), the mean over the heads
    """
    maps: dict[str, Tensor] = {}
    for prefix, source in sources.items():
        source._kept, source._prefix = maps, prefix
    try:
        yield maps
    finally:
        for source in sources.values():
            source._kept = None
