# The visual branch and its head alone, from scratch, on CREMA-D (figure 2d).
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_visual_scratch_1xb32-100e_cremad.py
_base_ = './_base_/cremad.py'

model = dict(only='visual')
