# Ablation of DIMN: dense attention with lambda = 1, where a channel of the query meets the same one of a key alone.
# Launch:   python tools/train.py projects/dmin/configs/dimn_lam1_supv_1xb32-200e_ave.py
# Override: --cfg-options model.decoder.attention.lam=0.0 (turned channels alone)
_base_ = './dimn_supv_1xb32-200e_ave.py'

model = dict(decoder=dict(attention=dict(lam=1.0)))
