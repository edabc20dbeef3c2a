# The schedule of DCMR's scripts: that of DIMN with full supervision, for both directions.
_base_ = './supv.py'
