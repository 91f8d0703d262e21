"""Benchmarks of littlehuman against baselines: `make bench`, or `python -m benchmarks`.

They write `results/<machine>.json`, and `README.md` from these files.
"""
