from avmm.models.heads.linear_head import LinearHead

__all__ = ['LinearHead']
