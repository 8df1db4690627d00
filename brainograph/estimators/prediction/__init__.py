"""What is told beside a prediction: neighbours, range, silence."""
