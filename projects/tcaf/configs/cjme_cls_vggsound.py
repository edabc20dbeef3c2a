# CJME on VGGSound-GZSL, C3D and VGGish features; published: HM 3.68, ZSL 3.72.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/cjme_cls_vggsound.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/vggsound_cls_averaged.py',
    './_base_/models/cjme.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(in_channels=dict(audio=128, visual=4096), net=dict(dropout=0.0))
train_dataloader = dict(dataset=dict(negatives=True))
val_cfg = dict(loss_dataset=dict(negatives=True), stage2_loss_dataset=dict(negatives=True))
