# ALE on VGGSound-GZSL, SeLaVi features; published: HM 0.53, ZSL 5.48.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/ale_main_vggsound.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/vggsound_main_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='ale', dropout=0.0)
