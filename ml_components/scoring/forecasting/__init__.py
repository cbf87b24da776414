"""From readings and a model to forecasts: what batch and online scoring share (`additional_includes`)."""
