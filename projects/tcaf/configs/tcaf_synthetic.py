# TCAF in small on synthetic UCF-GZSL, which is made at first use: both stages and the test in minutes on two cores.
# Launch:    python tools/train.py projects/tcaf/configs/tcaf_synthetic.py
# Yardstick: python projects/tcaf/tools/class_means.py projects/tcaf/configs/tcaf_synthetic.py
# All methods: python projects/tcaf/tools/synthetic_table.py
_base_ = [
    './_base_/datasets/ucf_synthetic_temporal.py',
    './_base_/models/tcaf.py',
    './_base_/schedules/tcaf_small.py',
    './_base_/runtime_small.py',
]

# A hundred updates are too few to learn in spite of dropout, and of times that mean other things in evaluation.
model = dict(
    encoder=dict(dropout=0.0),
    position=dict(dropout=0.0),
    transformer=dict(depth=2, dropout=0.0),
    head=dict(dropout=0.0),
    word_dropout=0.0,
    embed_time='seconds',
    extra_bn_pass=False)
train_dataloader = dict(sampler=dict(num_batches=20))
