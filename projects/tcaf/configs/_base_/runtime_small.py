# Runs of minutes: a line of the log every ten updates, and a checkpoint after each short epoch alone.
_base_ = './runtime.py'

default_hooks = dict(logger=dict(interval=10), checkpoint=dict(iter_interval=0))
