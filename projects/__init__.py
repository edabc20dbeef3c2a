"""Plug-in projects: each folder is a package of its own that registers with AVMM and that AVMM does not know."""
