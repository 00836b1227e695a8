"""The agent in dom0: tail, watch, select, hold, ship. Python 3.6 to today's; interprets nothing."""

VERSION = "0.1.0"
