# ALE in small on synthetic UCF-GZSL, on means over time: both stages and the test in a minute on two cores.
# Launch: python tools/train.py projects/tcaf/configs/ale_synthetic.py
_base_ = [
    './_base_/datasets/ucf_synthetic_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca_small.py',
    './_base_/runtime_small.py',
]

model = dict(ranking='ale', in_channels=dict(audio=128, visual=4096), normalize=True)
