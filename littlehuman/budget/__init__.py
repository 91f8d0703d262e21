"""From runs to a purchase: `python -m littlehuman.plan` (see `planning.of` for the order of steps).

    shapes -> surface (score over human and synthetic points) -> buying -> purchase -> planning -> words

`advice` names the cells to run next when the runs at hand say too little.
"""
