"""Fault injection from outside: kills, a faulty server, damaged files and concurrent sweeps. `make attack`."""
