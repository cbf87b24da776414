"""Thin clients of the real services. Importing one costs nothing: its SDK is imported when it is used."""
