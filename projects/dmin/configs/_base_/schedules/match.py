# The schedule of DCMR's scripts, that of DIMN with full supervision; each direction has a seed of its own.
_base_ = './supv.py'

randomness = dict(seed=700)
