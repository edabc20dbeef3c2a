# CMRAN on synthetic AVE, made at first use, with OGM-GE: a row that neither paper has.
# Launch:   python tools/train.py configs/combinations/cmran_ogmge_supv_1xb32-10e_ave_synthetic.py
# Override: --cfg-options custom_hooks.0.alpha=0.4
_base_ = '../../projects/cmran/configs/cmran_supv_1xb32-10e_ave_synthetic.py'

# The published rule takes convolutions; CMRAN has none, so the matrices of the branches are modulated.
custom_hooks = [dict(type='OGMGE', alpha=0.1, ends=None, params=dict(dims=(2, )))]
