"""The demonstration: the whole journey of a fleet on one machine, with simulated plants or one's own CSV files."""
