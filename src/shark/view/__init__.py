"""Rendering for people: functions from documents to text."""
