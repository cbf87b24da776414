"""Azure on one laptop: emulators that speak the services' own wire protocols on loopback.

Knows nothing of the app it serves: what to stand up is written in one YAML file (`Config`).
"""
