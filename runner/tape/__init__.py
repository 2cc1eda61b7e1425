"""Recordings as data: what a step was asked and answered, kept in files, compared with what is asked now, and played
again. Nothing here knows of the SDK, of the host, or of how a run goes on.
"""
