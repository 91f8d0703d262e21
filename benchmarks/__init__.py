"""How fast littlehuman is, against what one would do without it: `make bench`, or `python -m benchmarks`.

In: this machine. Out: `results/<machine>.json`, and `README.md`, which is made from these files alone.
"""
