# AVCA in small on synthetic UCF-GZSL, on means over time: both stages and the test in a minute on two cores.
# Launch: python tools/train.py projects/tcaf/configs/avca_synthetic.py
_base_ = [
    './_base_/datasets/ucf_synthetic_averaged.py',
    './_base_/models/avca.py',
    './_base_/schedules/avca_small.py',
    './_base_/runtime_small.py',
]

model = dict(in_channels=dict(audio=128, visual=4096))
train_dataloader = dict(dataset=dict(negatives=True))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-5))
