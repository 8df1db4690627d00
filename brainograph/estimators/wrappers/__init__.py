"""What goes around a model: calibration, conformal sets, Monte Carlo dropout."""
