# Attention fusion in small on synthetic UCF-GZSL, a design of ours: both stages and the test in minutes on two cores.
# Launch: python tools/train.py projects/tcaf/configs/attention_fusion_synthetic.py
_base_ = [
    './_base_/datasets/ucf_synthetic_temporal.py',
    './_base_/models/attention_fusion.py',
    './_base_/schedules/tcaf_small.py',
    './_base_/runtime_small.py',
]

# As in tcaf_synthetic.py.
model = dict(
    encoder=dict(dropout=0.0),
    position=dict(dropout=0.0),
    head=dict(dropout=0.0),
    word_dropout=0.0,
    embed_time='seconds')
train_dataloader = dict(sampler=dict(num_batches=20))
