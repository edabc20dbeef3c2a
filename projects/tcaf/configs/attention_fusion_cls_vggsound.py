# Attention fusion on VGGSound-GZSL, C3D and VGGish features; published: HM 4.95, ZSL 3.37.
# No reference code: the design is ours, on the heads, losses and schedule of TCAF.
# Launch:   python tools/train.py projects/tcaf/configs/attention_fusion_cls_vggsound.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/vggsound_cls_temporal.py',
    './_base_/models/attention_fusion.py',
    './_base_/schedules/tcaf.py',
    './_base_/schedules/plateau.py',
    './_base_/runtime.py',
]
