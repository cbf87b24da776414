"""Pure rules over frozen dataclasses; standard library only. Nothing here reads a clock, a file or a network."""
