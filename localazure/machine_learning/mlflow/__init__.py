"""MLflow's tracking API as jobs use it, and pages of what they tracked."""
