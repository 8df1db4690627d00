"""Networks on a graph of participants."""
