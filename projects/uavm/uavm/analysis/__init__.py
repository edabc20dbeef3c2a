from projects.uavm.uavm.analysis.attention import AttentionDifference, attention_image, mean_differences

__all__ = ['AttentionDifference', 'attention_image', 'mean_differences']
