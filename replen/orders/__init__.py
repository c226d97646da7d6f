"""Quantities -> order lines, explanations, exceptions, database."""
