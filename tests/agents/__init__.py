"""Calls of real user agents through a real daemon: PJSIP, baresip and liblinphone."""
