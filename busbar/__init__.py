"""Busbar: a control plane that runs a fleet of forecasting models like one."""
