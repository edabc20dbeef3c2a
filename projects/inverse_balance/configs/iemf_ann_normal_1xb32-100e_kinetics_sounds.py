# Plain training without inverse effectiveness on Kinetics-Sounds, ANN; published: 51.58 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_normal_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'
