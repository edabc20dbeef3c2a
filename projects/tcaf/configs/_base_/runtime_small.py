# Runs of minutes: a line of the log every ten updates; a checkpoint after each short epoch, and no copies of the best.
_base_ = './runtime.py'

default_hooks = dict(logger=dict(interval=10), checkpoint=dict(iter_interval=0, save_best=[]))
