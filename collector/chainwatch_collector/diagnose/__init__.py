"""Offline diagnosis: SMlogs and support bundles through the same `read`, `track`, `judge` as the live system."""
