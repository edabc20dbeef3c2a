from projects.uavm.uavm.analysis.attention import (
    AttentionDifference,
    attention_image,
    attention_of,
    mean_differences,
)
from projects.uavm.uavm.analysis.probe import Probe, modality_probe, tsne_map
from projects.uavm.uavm.analysis.representations import Representations, collect, dump, read_dump
from projects.uavm.uavm.analysis.runs import Run, Setting, find_run, group_runs, open_split, usual

__all__ = [
    'AttentionDifference', 'Probe', 'Representations', 'Run', 'Setting', 'attention_image', 'attention_of', 'collect',
    'dump', 'find_run', 'group_runs', 'mean_differences', 'modality_probe', 'open_split', 'read_dump', 'tsne_map',
    'usual'
]
