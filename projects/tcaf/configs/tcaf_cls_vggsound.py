# TCAF on VGGSound-GZSL, C3D and VGGish features; published: HM 8.77, ZSL 7.41.
# Both stages and the test, 300 batches of 64 an epoch, 50 epochs in stage 1.
# Launch:   python tools/train.py projects/tcaf/configs/tcaf_cls_vggsound.py
# Override: --cfg-options train_cfg.stage=1 model.extra_bn_pass=False
_base_ = [
    './_base_/datasets/vggsound_cls_temporal.py',
    './_base_/models/tcaf.py',
    './_base_/schedules/tcaf.py',
    './_base_/runtime.py',
]

model = dict(
    encoder=dict(dropout=0.2),
    position=dict(dropout=0.1),
    transformer=dict(depth=8, dropout=0.5),
    head=dict(dropout=0.2))
optim_wrapper = dict(optimizer=dict(lr=6e-5))
