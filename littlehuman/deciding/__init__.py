"""From a file to a decision: what `littlehuman decide` looks at, chooses, runs and says.

One command composes the others: it inspects the data (`inspecting`), writes its choices and the equal commands into
`STUDY/decide.yaml` (`settings`), runs ordinary cells by `littlehuman run` (`rounds`), asks `next` and `plan` which
cells are missing, and reads the answer off the study's report (`answer`). It has no statistics of its own.
"""
