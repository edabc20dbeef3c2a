# ALE on ActivityNet-GZSL, C3D and VGGish features; published: HM 1.55, ZSL 6.16.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/ale_cls_activitynet.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/activitynet_cls_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='ale', in_channels=dict(audio=128, visual=4096), normalize=True)
