"""Speak a list of words: reads JSON from stdin, writes the samples to stdout.

espeak-ng is GPL-3. It is loaded here, in a process of its own that shares nothing with AVMM but two pipes; this file
imports nothing of AVMM, and AVMM never imports this file.

stdin is a list of requests::

    [{"text": "seven", "voice": "en-us+f2", "rate": 175, "pitch": 50}, ...]

stdout is one line ``{"sample_rate": 22050, "samples": [11532, ...]}`` and then all samples, 16-bit signed in native
byte order, one word after the other. What cannot be spoken ends the process with status 1 and one line on stderr.

espeak-ng carries phases and random states over from word to word and offers no way to reset them all: one and the same
list always gives the same samples, one and the same word after other words does not.
"""
from __future__ import annotations

import argparse
import ctypes
import json
import signal
import sys

SYNCHRONOUS, DONT_EXIT, UTF8 = 2, 0x8000, 1
RATE, PITCH = 1, 3


class Espeak:
    """The C interface of espeak-ng, one word at a time."""

    def __init__(self):
        import espeakng_loader
        self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self.sample_rate = self.lib.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(),
                                                      DONT_EXIT)
        if self.sample_rate <= 0:
            raise ValueError(f'espeak-ng cannot be initialised (code {self.sample_rate})')
        self.lib.espeak_ng_SetRandSeed(ctypes.c_long(1))  # breath and flutter draw from it; 0 would be the clock
        self.chunks: list[bytes] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self.callback = kind(self._take)  # kept: ctypes frees a callback that nobody holds
        self.lib.espeak_SetSynthCallback(self.callback)

    def _take(self, samples, count: int, _events) -> int:
        if samples and count > 0:
            self.chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(self, text: str, voice: str, rate: int, pitch: int) -> bytes:
        """Samples of ``text``, 16 bits each, by ``voice`` at ``rate`` words a minute and ``pitch`` 0 to 99."""
        if self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f'espeak-ng has no voice {voice!r}')
        self.lib.espeak_SetParameter(RATE, rate, 0)
        self.lib.espeak_SetParameter(PITCH, pitch, 0)
        self.chunks.clear()
        raw = text.encode()
        code = self.lib.espeak_Synth(raw, len(raw) + 1, 0, 0, 0, UTF8, None, None)
        if code != 0 or not self.chunks:
            raise ValueError(f'espeak-ng cannot speak {text!r} as {voice!r} (code {code})')
        return b''.join(self.chunks)


def main() -> int:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""Examples:
  echo '[{"text": "seven", "voice": "en-us+f2", "rate": 175, "pitch": 50}]' | python espeak_server.py > seven.pcm"""
    ).parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this process
    try:
        espeak = Espeak()
        words = [espeak.speak(**request) for request in json.load(sys.stdin)]
    except (ValueError, OSError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    header = {'sample_rate': espeak.sample_rate, 'samples': [len(word) // 2 for word in words]}
    sys.stdout.buffer.write(json.dumps(header).encode() + b'\n' + b''.join(words))
    return 0


if __name__ == '__main__':
    sys.exit(main())
