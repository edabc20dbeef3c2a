# TCAF on UCF-GZSL, SeLaVi features; the paper has no row of it.
# Both stages and the test, 300 batches of 64 an epoch, 50 epochs in stage 1.
# Launch:   python tools/train.py projects/tcaf/configs/tcaf_main_ucf.py
# Override: --cfg-options train_cfg.stage=1 model.extra_bn_pass=False
_base_ = [
    './_base_/datasets/ucf_main_temporal.py',
    './_base_/models/tcaf.py',
    './_base_/schedules/tcaf.py',
    './_base_/runtime.py',
]

model = dict(
    in_channels=dict(audio=512, visual=512),
    encoder=dict(hidden_channels=256, dropout=0.4),
    transformer=dict(depth=5),
    head=dict(dropout=0.2))
optim_wrapper = dict(optimizer=dict(lr=5e-5))
