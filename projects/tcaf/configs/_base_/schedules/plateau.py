# A tenth of the rate after four epochs without a better harmonic mean on the validation split.
param_scheduler = dict(type='ReduceOnPlateauLR', monitor='gzsl/hm', rule='greater', factor=0.1, patience=3)
