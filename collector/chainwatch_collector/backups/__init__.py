"""Backups and time: tasks that move or do not, bases of the next run, jobs and patterns, history and forecasts."""
