# W-A+V-att (ECCV 2018): the network of A+V-att, trained with the classes of whole videos.
_base_ = './avel_att.py'

model = dict(head=dict(type='WeakAVELHead'))
