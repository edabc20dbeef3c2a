"""AVMM: a toolbox for audio-visual learning."""
from avmm.version import __version__

__all__ = ['__version__']
