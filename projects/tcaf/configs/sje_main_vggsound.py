# SJE on VGGSound-GZSL, SeLaVi features; published: HM 2.15, ZSL 4.06.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/sje_main_vggsound.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/vggsound_main_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='sje', dropout=0.0)
