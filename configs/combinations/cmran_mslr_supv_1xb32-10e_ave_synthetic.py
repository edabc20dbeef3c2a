# CMRAN on synthetic AVE, made at first use, with modality-specific learning rates: a row that neither paper has.
# Launch:   python tools/train.py configs/combinations/cmran_mslr_supv_1xb32-10e_ave_synthetic.py
# Override: --cfg-options optim_wrapper.paramwise_cfg.lr_mult.audio=0.5
_base_ = '../../projects/cmran/configs/cmran_supv_1xb32-10e_ave_synthetic.py'

optim_wrapper = dict(constructor='MSLRConstructor', paramwise_cfg=dict(lr_mult=dict(audio=0.9, visual=1.1)))
