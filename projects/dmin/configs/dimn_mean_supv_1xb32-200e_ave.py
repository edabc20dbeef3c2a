# Ablation of DIMN: the mean over the cells in the place of the triplet attention.
# Launch:   python tools/train.py projects/dmin/configs/dimn_mean_supv_1xb32-200e_ave.py
# Override: --cfg-options select_on=val
_base_ = './dimn_supv_1xb32-200e_ave.py'

model = dict(visual_attention=dict(_delete_=True, type='CellMean'))
