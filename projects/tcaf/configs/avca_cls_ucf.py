# AVCA on UCF-GZSL, C3D and VGGish features; published: HM 41.34, ZSL 37.72.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/avca_cls_ucf.py
# Override: --cfg-options train_cfg.stage=1 train_cfg.stage2_epochs=best
_base_ = [
    './_base_/datasets/ucf_cls_averaged.py',
    './_base_/models/avca.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(
    in_channels=dict(audio=128, visual=4096),
    momentum=0.99)
train_dataloader = dict(dataset=dict(negatives=True))
val_cfg = dict(loss_dataset=dict(negatives=True), stage2_loss_dataset=dict(negatives=True))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-5))
