"""The driver of tools/bench: scenarios, servers, rounds, report, plots.

Reading order: scenarios.py (what is measured), servers.py (who is measured), runner.py (how),
stats.py (medians and verdicts), report.py and plot.py (what is written). midge-load, the load
generator, lies beside them in C: load.h is its front door.
"""
