# ALE on UCF-GZSL, SeLaVi features; published: HM 23.66, ZSL 16.32.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/ale_main_ucf.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/ucf_main_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='ale')
