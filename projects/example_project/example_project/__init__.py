"""Importing this package registers its components; a config does so with ``custom_imports``."""
from projects.example_project.example_project.balancing import ExampleProjectBalancing
from projects.example_project.example_project.fusion import ExampleProjectFusion
from projects.example_project.example_project.metric import ExampleProjectGap

__all__ = ['ExampleProjectBalancing', 'ExampleProjectFusion', 'ExampleProjectGap']
