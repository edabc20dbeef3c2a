# Ablation of DIMN: without unimodal discrimination.
# Launch:   python tools/train.py projects/dmin/configs/dimn_noudl_supv_1xb32-200e_ave.py
# Override: --cfg-options model.head.unimodal_weight=0.5
_base_ = './dimn_supv_1xb32-200e_ave.py'

model = dict(head=dict(unimodal_weight=0.0))
