"""Demand history -> series rows -> model inputs."""
