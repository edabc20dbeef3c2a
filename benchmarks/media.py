"""Plain reference: the log-mel front end of VGGish with librosa, file by file, as a script calls it.

librosa reads a file, averages its channels, resamples it to 16 kHz and makes the mel spectrogram; the filter bank is
built anew in every call. Ours is ``VGGish.load``: the same bands of the same frames, with a finer resampling kernel,
which is kept, as are the filter bank and the window.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from avmm.utils.errors import optional_import
from benchmarks.references import Task

FRONT = dict(n_fft=512, win_length=400, hop_length=160, center=False, power=1.0, n_mels=64, fmin=125, fmax=7500,
             htk=True, norm=None)


def patches(path: str, resampling: str = 'soxr_hq') -> np.ndarray:
    """Log-mel patches ``(N, 96, 64)`` of a file."""
    librosa = optional_import('librosa', 'tests')
    sound, rate = librosa.load(path, sr=16000, mono=True, res_type=resampling)
    mel = np.log(librosa.feature.melspectrogram(y=sound, sr=rate, **FRONT).T + 0.01)
    return mel[:len(mel) // 96 * 96].reshape(-1, 96, 64)


def decode(task: Task) -> Callable[[], int]:
    """A function that makes the patches of the files of the task; returns their number.

    Options: ``resampling``, librosa's name of the kernel (default: its own, ``soxr_hq``).
    """
    files = task.open_dataset()
    resampling = task.options.get('resampling', 'soxr_hq')

    def repeat() -> int:
        for path in files:
            patches(path, resampling)
        return len(files)

    return repeat


OFFERS = dict(decode=decode)
