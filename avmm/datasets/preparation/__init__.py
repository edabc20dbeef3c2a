from avmm.datasets.preparation.clip_job import (
    ClipJob,
    Outcome,
    Pictures,
    clip_jobs,
    equal_steps,
    files_by_stem,
    make_clip,
    steps_of_each_second,
    walk_files,
)
from avmm.datasets.preparation.command import check_source, content_options, preparation_parser, prepare
from avmm.datasets.preparation.processes import map_in_processes

__all__ = [
    'ClipJob', 'Outcome', 'Pictures', 'check_source', 'clip_jobs', 'content_options', 'equal_steps',
    'files_by_stem', 'make_clip', 'map_in_processes', 'preparation_parser', 'prepare', 'steps_of_each_second',
    'walk_files'
]
