"""The collector: receive, keep, read, track, judge, show."""

VERSION = "0.1.0"
