"""Benchmarks of the forecaster: how well it forecasts, what training it costs, what its drift alarms say.

`series`, `accuracy`, `alarms` and `training` run in the training environment, as programs that print a JSON object a
line; `__main__` runs them there and shows tables.
"""
