# TCAF on VGGSound-GZSL, SeLaVi features; the paper has no row of it.
# Both stages and the test, 300 batches of 64 an epoch, 50 epochs in stage 1.
# Launch:   python tools/train.py projects/tcaf/configs/tcaf_main_vggsound.py
# Override: --cfg-options train_cfg.stage=1 model.extra_bn_pass=False
_base_ = [
    './_base_/datasets/vggsound_main_temporal.py',
    './_base_/models/tcaf.py',
    './_base_/schedules/tcaf.py',
    './_base_/runtime.py',
]

model = dict(
    in_channels=dict(audio=512, visual=512),
    encoder=dict(hidden_channels=128, dropout=0.2),
    transformer=dict(depth=8, num_heads=6, head_channels=128, dropout=0.5),
    head=dict(dropout=0.2),
    word_dropout=0.2)
