"""Lint: the pitfalls of a template, found before it is deployed.

The template is deployed on paper (`paper`): every resource gets a name and an ARN, so that all that
refers to it is a plain value. Then Ogi's own evaluator is asked whether each hop would be allowed
(`questions`), and numbers are compared (`timing`). Nothing is deployed and nobody is asked.
cfn-lint is the engine (`rules`, `engine`): it finds lines, knows what is to be ignored, and can
load these rules into a run of its own. It is an extra.
"""
