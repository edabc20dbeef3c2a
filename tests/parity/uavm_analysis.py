"""Cases of ``uavm``: retrieval from one modality by the other, and the probe of the modality."""
from __future__ import annotations

from typing import Any

import numpy as np

from avmm.evaluation.functional import cosine_similarity, paired_cosine, retrieval_positions, retrieval_scores
from projects.uavm.uavm.analysis import modality_probe

Arrays = dict[str, np.ndarray]


def retrieval(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    options = meta['options']
    audio = inputs['emb_a']
    visual = (audio + np.float32(options['mix']) * inputs['emb_v']).astype(np.float32)
    for first, second in options['duplicate']:
        visual[second] = visual[first]
    scores = retrieval_scores(audio, visual)
    return dict({f'R{k}': scores[f'R@{k}'] for k in (1, 5, 10)}, MR=scores['median_rank'],
                similarity=cosine_similarity(audio, visual), positions=retrieval_positions(audio, visual))


def probe(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    options = meta['options']
    audio = inputs['emb_a']
    visual = (inputs['emb_v'] + np.float32(options['shift_scale']) * inputs['shift']).astype(np.float32)
    found = modality_probe(audio, visual, seed=options['numpy_seed'])
    return dict(accuracy=found.accuracy, coef=found.coefficients[None], curve=found.curve,
                paired_cosine=paired_cosine(audio, visual).mean())


PARTS = dict(retrieval=retrieval, modality_probe=probe)
