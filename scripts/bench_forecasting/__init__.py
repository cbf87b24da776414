"""Benchmarks of the forecaster: how well it forecasts, and what training it costs.

`series`, `accuracy` and `training` run in the training environment, as programs that print a JSON object a line;
`__main__` runs them there and shows tables.
"""
