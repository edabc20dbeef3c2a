# The schedule of DIMN's script for weak supervision: later steps of the rate and a wider clip.
_base_ = './supv.py'

optim_wrapper = dict(clip_grad=dict(max_norm=0.5))
param_scheduler = dict(milestones=[5, 20, 40])
