"""Importing this package registers its components; a config does so with ``custom_imports``."""
from projects.tcaf.tcaf import models

__all__ = ['models']
