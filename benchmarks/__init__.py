"""Plain references, and what ``tools/analysis_tools/benchmark.py`` measures; ``avmm`` imports none of it."""
