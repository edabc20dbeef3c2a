# DeViSE on UCF-GZSL, C3D and VGGish features; published: HM 31.98, ZSL 35.48.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/devise_cls_ucf.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/ucf_cls_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='devise', in_channels=dict(audio=128, visual=4096), normalize=True)
