"""Simulated dom0s: an SM that garbage-collects as the real one logs it, the rsyslog in between, a host to live in."""
