"""Local LSTMs: one independent model a series, a stack of them trained as one TensorFlow graph."""
