# Ablation of DIMN: usual attention in the place of the dense one.
# Launch:   python tools/train.py projects/dmin/configs/dimn_mha_supv_1xb32-200e_ave.py
# Override: --cfg-options select_on=val
_base_ = './dimn_supv_1xb32-200e_ave.py'

model = dict(decoder=dict(attention=dict(_delete_=True, type='MultiheadAttention', num_heads=4)))
