# DIMN (IEEE TMM 2022) with weak supervision: two heads in the interaction, and classes of whole videos.
_base_ = './dimn_supv.py'

model = dict(
    decoder=dict(dropout=0.1),
    interaction=dict(num_heads=2),
    head=dict(
        _delete_=True,
        type='DMINWeakHead',
        num_events=28,
        unimodal_weight=0.08,
        loss_video=dict(type='SoftMarginLoss', squash=True)))
