# CMRAN (ACM MM 2020) with weak supervision: two heads in the interaction, and classes of whole videos.
_base_ = './cmran_supv.py'

model = dict(
    interaction=dict(num_heads=2),
    head=dict(_delete_=True, type='WeakEventHead', num_events=28, loss_video=dict(type='SoftMarginLoss', squash=True)))
