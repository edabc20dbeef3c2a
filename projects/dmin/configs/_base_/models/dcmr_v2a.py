# DCMR (IEEE TMM 2022), from visual to audio: the event is known in the frames and looked for in the audio.
_base_ = './dcmr_a2v.py'

model = dict(direction='v2a', decoder=dict(dropout=0.06))
