"""From runs to a purchase: `python -m littlehuman.plan` (see `planning.of` for the order of steps).

    question, shapes -> surface (score over human and synthetic points) -> buying -> purchase -> gain
        -> planning -> findings (doubts: where the surface does not hold) -> words

`advice` names the cells to run next when the runs at hand say too little.
"""
