"""Demand distribution + stock -> order quantities."""
