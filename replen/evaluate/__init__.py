"""Folds, metrics, backtest, inventory simulation, champion."""
