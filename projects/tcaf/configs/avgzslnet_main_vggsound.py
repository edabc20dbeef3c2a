# AVGZSLNet on VGGSound-GZSL, SeLaVi features; published: HM 5.83, ZSL 5.28.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/avgzslnet_main_vggsound.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/vggsound_main_averaged.py',
    './_base_/models/avgzslnet.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

train_dataloader = dict(dataset=dict(negatives=True))
val_cfg = dict(loss_dataset=dict(negatives=True), stage2_loss_dataset=dict(negatives=True))
