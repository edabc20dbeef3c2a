# TCAF on UCF-GZSL, C3D and VGGish features; published: HM 50.78, ZSL 44.64.
# Both stages and the test, 300 batches of 64 an epoch, 50 epochs in stage 1.
# Launch:   python tools/train.py projects/tcaf/configs/tcaf_cls_ucf.py
# Override: --cfg-options train_cfg.stage=1 model.extra_bn_pass=False
_base_ = [
    './_base_/datasets/ucf_cls_temporal.py',
    './_base_/models/tcaf.py',
    './_base_/schedules/tcaf.py',
    './_base_/schedules/plateau.py',
    './_base_/runtime.py',
]
