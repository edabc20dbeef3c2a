# Variant of DCMR in which no products accumulate: a segment is weighed by the mean of its windows.
# Launch:   python tools/train.py projects/dmin/configs/dcmr_mean_a2v_1xb32-200e_ave.py
# Override: --cfg-options select_on=val
_base_ = './dcmr_a2v_1xb32-200e_ave.py'

model = dict(matching=dict(_delete_=True, type='WindowMeanMatching'))
