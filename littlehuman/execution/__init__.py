"""How cells are executed: one job in its folder, a fused sweep of jobs, and the summary at the end."""
