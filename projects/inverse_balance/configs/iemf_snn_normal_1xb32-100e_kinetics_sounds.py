# Plain training without inverse effectiveness on Kinetics-Sounds, SNN; published: 52.85 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_normal_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds_snn.py'
