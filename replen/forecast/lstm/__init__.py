"""The global LSTM: inputs, network, training, prediction."""
