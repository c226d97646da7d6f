"""Model inputs -> demand distributions, one file a forecaster."""
