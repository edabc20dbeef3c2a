# The audio branch and its head alone, from scratch, on Kinetics-Sounds (figure 2d).
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_audio_scratch_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

model = dict(only='audio')
